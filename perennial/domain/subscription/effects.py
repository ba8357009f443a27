"""What a decision wants done in the world, and the facts that come back from it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from perennial.domain.calendar import Period
from perennial.domain.dunning import EMAIL, DunningPolicy
from perennial.domain.pricing import PricingModel
from perennial.domain.subscription.state import Discount, Span, State, UsageStretch


class Trigger(StrEnum):
    """Why an attempt is made: with the invoice, by the dunning schedule, or because somebody did something."""

    AUTOMATIC = "automatic"
    SCHEDULE = "schedule"
    CUSTOMER = "customer"
    PAYMENT_METHOD = "payment_method"
    ARREARS = "arrears"
    RECORDED = "recorded"
    BACKUP = "backup"


class LineKind(StrEnum):
    PLAN = "plan"
    ADD_ON = "add_on"
    FEE = "fee"
    USAGE = "usage"
    PRORATION_CREDIT = "proration_credit"
    PRORATION_DEBIT = "proration_debit"
    GIFT = "gift"
    ONE_OFF = "one_off"

    @property
    def recurs(self) -> bool:
        """Whether it pays for a stretch of service in advance, so that its unused rest can be given back."""
        return self in (LineKind.PLAN, LineKind.ADD_ON, LineKind.PRORATION_DEBIT)


@dataclass(frozen=True, slots=True)
class LineDiscount:
    """What a coupon takes off a line, minor units."""

    coupon: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """`amount` as priced, `discounts` what is taken off it; minor units. A credit has a negative amount.

    `price` is the model that `quantity` was asked for, for the tiers on the document. A credit line `corrects` the
    invoices (business keys, oldest first) that charged what it takes back.
    """

    kind: LineKind
    description: str
    quantity: Decimal
    amount: int
    period: Period
    discounts: tuple[LineDiscount, ...] = ()
    code: str = ""
    price: PricingModel | None = None
    tax_inclusive: bool = False
    corrects: tuple[str, ...] = ()

    @property
    def discount(self) -> int:
        return sum(part.amount for part in self.discounts)

    @property
    def charged(self) -> int:
        """What the line costs, before a tax that comes on top."""
        return self.amount - self.discount


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """What will be invoiced. `key` is the business key: the same draft is never invoiced twice.

    Tax and what was used in the stretches `usage` are found when it is issued, and stand in no sum here. `coupons` are
    those in force, with what is left of an amount after the lines: it goes on to the usage. `due_at`: until when an
    invoice is to be paid that is sent; None: it is charged at once. `tax_inclusive`: whether the prices of usage hold
    their tax, where its stretch does not say so itself.
    """

    key: str
    reason: str
    currency: str
    period_no: int
    period: Period
    lines: tuple[Line, ...]
    usage: tuple[UsageStretch, ...] = ()
    coupons: tuple[Discount, ...] = ()
    due_at: datetime | None = None
    memo: str | None = None
    tax_inclusive: bool = False

    @property
    def total(self) -> int:
        """Minor units as priced: a tax on top and usage are not in it."""
        return sum(line.charged for line in self.lines)


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
class CreditedPart:
    """The line at `position` of the one invoice that is credited. `amount` None: all that is left of it."""

    position: int
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """Give money back for `invoices` (business keys).

    `amount` in minor units as the lines are priced (a tax on top of them goes back with it), None for all that was
    paid; newest invoice first. `lines` names those that are meant, `recurring` means those that pay for service ahead.
    `refund` sends it back through the gateway as far as it was paid there; the rest, or all of it, goes to the
    customer's credit balance.
    """

    key: str
    reason: str
    currency: str
    invoices: tuple[str, ...]
    amount: int | None
    refund: bool
    lines: tuple[CreditedPart, ...] = ()
    memo: str | None = None
    recurring: bool = False


@dataclass(frozen=True, slots=True)
class Receive:
    """Write down that an open invoice was paid past the gateways. Answers a payment fact."""

    invoice: str
    attempt: int
    reference: str


Effect = Bill | Collect | Settle | CloseInvoice | Credit | Receive


# --- facts -----------------------------------------------------------------------------------------------------------


class PaymentStatus(StrEnum):
    PAID = "paid"
    OPEN = "open"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Paper:
    """What an invoice came to when it was issued, minor units, and the number that it took.

    No decision looks at it: it stands in the history, so that a database that has lost the invoice (a restore of an
    older one) can be given the same again.
    """

    number: str | None
    total: int
    due: int


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """What is true of an invoice after an effect. `at` is when it became true: a repeated effect tells the old date.

    `backup` is another payment method of the customer that may be tried after a decline. `policy` is what a case that
    begins with this fact goes by; None: the plan's own. `paper` is told by the effect that issues.
    """

    invoice: str
    status: PaymentStatus
    attempt: int
    at: datetime
    code: str | None = None
    backup: str | None = None
    policy: DunningPolicy | None = None
    paper: Paper | None = field(default=None, compare=False)


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
    """Something to tell the customer by each of the channels; `key` makes it once."""

    key: str
    kind: str
    data: dict[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = (EMAIL,)


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state and what has to happen for it. Effects run in order, each answer is settled before the next."""

    state: State
    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()
    spans: tuple[Span, ...] = ()
