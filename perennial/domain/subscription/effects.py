"""What a decision wants done in the world, and the facts that come back from it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from perennial.domain.calendar import Period
from perennial.domain.subscription.state import Span, State


class Trigger(StrEnum):
    """Why an attempt is made: with the invoice, by the dunning schedule, or because somebody did something."""

    AUTOMATIC = "automatic"
    SCHEDULE = "schedule"
    CUSTOMER = "customer"
    PAYMENT_METHOD = "payment_method"
    ARREARS = "arrears"


class LineKind(StrEnum):
    PLAN = "plan"
    PRORATION_CREDIT = "proration_credit"
    PRORATION_DEBIT = "proration_debit"
    GIFT = "gift"


@dataclass(frozen=True, slots=True)
class Line:
    """`amount` before, `discount` what is taken off it; both minor units. A credit has a negative amount."""

    kind: LineKind
    description: str
    quantity: Decimal
    amount: int
    period: Period
    discount: int = 0

    @property
    def net(self) -> int:
        return self.amount - self.discount


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """What will be invoiced. `key` is the business key: the same draft is never invoiced twice."""

    key: str
    reason: str
    currency: str
    period_no: int
    period: Period
    lines: tuple[Line, ...]

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def discount(self) -> int:
        return sum(line.discount for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal - self.discount


# --- effects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bill:
    """Issue the invoice and, if `collect`, make attempt 1 with the payment method. Answers a payment fact."""

    draft: InvoiceDraft
    payment_method_id: str | None
    collect: bool = True


@dataclass(frozen=True, slots=True)
class Collect:
    """Make attempt `attempt` at an open invoice. Answers a payment fact."""

    invoice: str
    attempt: int
    payment_method_id: str | None
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask the gateway what became of an attempt that was left open. Answers a payment fact."""

    invoice: str
    attempt: int


@dataclass(frozen=True, slots=True)
class CloseInvoice:
    """Give an open invoice up: `void` (never owed) or `uncollectible` (a loss).

    Answers a payment fact: it may turn out that it has been paid.
    """

    invoice: str
    status: str


@dataclass(frozen=True, slots=True)
class Credit:
    """Give money back for `invoices`.

    `amount` in minor units, None for all that was paid. `refund` sends it back through the gateway as far as it was
    paid there, newest invoice first; the rest, or all of it, goes to the customer's credit balance.
    """

    key: str
    reason: str
    currency: str
    invoices: tuple[str, ...]
    amount: int | None
    refund: bool


Effect = Bill | Collect | Settle | CloseInvoice | Credit


# --- facts -----------------------------------------------------------------------------------------------------------


class PaymentStatus(StrEnum):
    PAID = "paid"
    OPEN = "open"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """What is true of an invoice after an effect. `at` is when it became true: a repeated effect tells the old date."""

    invoice: str
    status: PaymentStatus
    attempt: int
    at: datetime
    code: str | None = None


# --- what is written down --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Note:
    """An entry of the timeline."""

    at: datetime
    kind: str
    actor: str = "engine"
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell the customer; `key` makes it once."""

    key: str
    kind: str
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state and what has to happen for it. Effects run in order, each answer is settled before the next."""

    state: State
    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()
    spans: tuple[Span, ...] = ()
