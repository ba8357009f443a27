"""What stands on a one-off invoice: lines as people write them, and the draft that is issued from them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from perennial.domain import keys
from perennial.domain.calendar import Period
from perennial.domain.errors import InvalidInput
from perennial.domain.pricing import PerUnit, price
from perennial.domain.subscription.effects import InvoiceDraft, Line, LineKind

REASON = "one_off"
MOST_LINES = 100
# What a gateway takes for one charge, and far below what a column of the ledger holds. Minor units.
LARGEST_TOTAL = 10**12


class CollectBy(StrEnum):
    """How the money comes: the card is charged at once, or the invoice is sent and has time to be paid."""

    CHARGE = "charge"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """Either `unit_price` (major units, exact) times `quantity`, or `amount` (minor units) for all of it.

    With a `period` that lies ahead the line is earned over it, without one at once. `tax_inclusive`: the price holds
    its tax.

    Raises:
        InvalidInput: with both or neither, or below zero; `field` says which.
    """

    description: str
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    amount: int | None = None
    period: Period | None = None
    tax_inclusive: bool = False

    def __post_init__(self) -> None:
        if (self.unit_price is None) == (self.amount is None):
            raise InvalidInput("a line has either a unit_price or an amount", field="unit_price")
        if not self.quantity.is_finite() or self.quantity <= 0:
            raise InvalidInput("must be above zero", field="quantity")
        if self.unit_price is not None and (not self.unit_price.is_finite() or self.unit_price < 0):
            raise InvalidInput("must not be below zero", field="unit_price")
        if self.amount is not None and self.amount < 0:
            raise InvalidInput("must not be below zero", field="amount")

    def cost(self, currency: str) -> int:
        """Minor units, rounded once."""
        if self.unit_price is None:
            return self.amount or 0
        return price(PerUnit(unit_price=self.unit_price), self.quantity, currency)

    def line(self, currency: str, at: datetime) -> Line:
        return Line(
            LineKind.ONE_OFF,
            self.description,
            self.quantity,
            self.cost(currency),
            self.period or Period(at, at),
            price=None if self.unit_price is None else PerUnit(unit_price=self.unit_price),
            tax_inclusive=self.tax_inclusive,
        )


def check_lines(lines: Sequence[DraftLine], currency: str) -> None:
    """Raises InvalidInput: more lines, or more money, than an invoice can hold."""
    if len(lines) > MOST_LINES:
        raise InvalidInput(f"an invoice has at most {MOST_LINES} lines", field="lines")
    if sum(line.cost(currency) for line in lines) > LARGEST_TOTAL:
        raise InvalidInput(f"together they must not cost more than {LARGEST_TOTAL} minor units", field="lines")


def check_terms(collect: CollectBy, net_days: int | None) -> None:
    """Raises InvalidInput: what is charged at once has no time to be paid."""
    if collect is CollectBy.CHARGE and net_days is not None:
        raise InvalidInput("only an invoice that is sent has time to be paid", field="net_days")


def invoice_draft(
    invoice: str,
    currency: str,
    lines: Sequence[DraftLine],
    at: datetime,
    *,
    due_at: datetime | None = None,
    memo: str | None = None,
) -> InvoiceDraft:
    """What would be issued at `at` (UTC). The invoice spans the periods of its lines."""
    priced = tuple(line.line(currency, at) for line in lines)
    spanned = Period(
        min((line.period.start for line in priced), default=at), max((line.period.end for line in priced), default=at)
    )
    return InvoiceDraft(keys.one_off_invoice(invoice), REASON, currency, 0, spanned, priced, due_at=due_at, memo=memo)
