"""What is sent in about invoices: drafts of one-off invoices, what people do with issued ones, credit notes."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from api.schemas.common import MOST_MINOR_UNITS, Currency, Id, Incoming, Instant, Minor, MinorIn, Prose, examples, wrong
from api.schemas.customers import NetDays
from perennial.domain.calendar import Period
from perennial.domain.drafts import MOST_LINES, CollectBy, DraftLine
from perennial.domain.subscription.effects import CreditedPart
from perennial.engine.credit_notes import CreditReason

Description = Annotated[StrictStr, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
QuantityText = Annotated[StrictStr, Field(pattern=r"^\d{1,9}(\.\d{1,9})?$", description="A decimal string above 0.")]
PriceText = Annotated[
    StrictStr, Field(pattern=r"^\d{1,12}(\.\d{1,12})?$", description="A decimal string in major units: '49.00'.")
]

_LINE = {"description": "Workshop, half a day", "quantity": "2", "unit_price": "450.00"}
_SUPPORT_YEAR = {
    "description": "Support",
    "amount": 120000,
    "period": {"start": "2027-01-01T00:00:00Z", "end": "2028-01-01T00:00:00Z"},
}


class PeriodIn(Incoming):
    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.end <= self.start:
            raise wrong("end", "must be after the start")
        return self


class DraftLineIn(Incoming):
    """Either `unit_price` times `quantity`, or `amount` for all of it. With a `period` it is earned over that."""

    model_config = examples(_LINE)

    description: Description
    quantity: QuantityText = "1"
    unit_price: PriceText | None = None
    amount: Annotated[Minor, Field(ge=0, le=MOST_MINOR_UNITS)] | None = None
    period: PeriodIn | None = None
    tax_inclusive: StrictBool = Field(default=False, description="Whether the price holds its tax.")

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if (self.unit_price is None) == (self.amount is None):
            raise wrong("unit_price", "give either unit_price or amount")
        if not Decimal(self.quantity):
            raise wrong("quantity", "must be above zero")
        return self

    def line(self) -> DraftLine:
        return DraftLine(
            description=self.description,
            quantity=Decimal(self.quantity),
            unit_price=None if self.unit_price is None else Decimal(self.unit_price),
            amount=self.amount,
            period=Period(self.period.start, self.period.end) if self.period else None,
            tax_inclusive=self.tax_inclusive,
        )


Lines = Annotated[list[DraftLineIn], Field(max_length=MOST_LINES)]


class _DraftTerms(Incoming):
    memo: Prose | None = Field(default=None, description="Stands on the invoice.")
    net_days: NetDays | None = Field(default=None, description="Days to pay it if it is sent; null: the customer's.")
    payment_method_id: Id | None = Field(default=None, description="Null: the customer's default method.")


class NewInvoice(_DraftTerms):
    """A draft: nothing is posted and no number taken until it is finalised."""

    model_config = examples(
        {"customer_id": "cus_0c4d1f3b9a5e7d26c8f0", "currency": "EUR", "lines": [_LINE], "memo": "Thank you!"},
        {
            "customer_id": "cus_0c4d1f3b9a5e7d26c8f0",
            "currency": "USD",
            "lines": [_SUPPORT_YEAR],
            "collect": "send",
            "net_days": 14,
        },
    )

    customer_id: Id
    currency: Currency
    lines: Lines = Field(default_factory=list)
    collect: CollectBy | None = Field(
        default=None, description="Charge the card, or send it. Null: sent if the customer has net terms."
    )
    test_clock_id: Id | None = Field(default=None, description="It then lives in the time of this clock.")


class InvoiceChange(_DraftTerms):
    """Replaces what is named; `lines` all of them."""

    model_config = examples({"lines": [_LINE, _SUPPORT_YEAR]}, {"collect": "send", "net_days": 30})

    lines: Lines = Field(default_factory=list)
    collect: CollectBy = CollectBy.CHARGE

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise wrong("lines", "nothing to change")
        return self

    def changes(self) -> dict[str, Any]:
        """What the caller has named, as `perennial.engine.drafts` takes it."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        if "lines" in named:
            named["lines"] = tuple(line.line() for line in self.lines)
        return named


class RecordedPayment(Incoming):
    """It was paid in full past the gateways."""

    model_config = examples({"reference": "BANK-2027-03-0042"})

    reference: Annotated[
        StrictStr,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="Finds the payment at your bank. Kept in the workflow's history: no names.",
        ),
    ]


class PayInvoice(Incoming):
    model_config = examples({"payment_method_id": "pm_7b1e0c4d1f3b9a5e7d26"})

    payment_method_id: Id | None = Field(
        default=None, description="Of a subscription's invoice: it becomes that of the subscription. Null: as it is."
    )


class CreditedLineIn(Incoming):
    position: Annotated[StrictInt, Field(ge=0, lt=10_000)]
    amount: MinorIn | None = Field(default=None, description="As priced; null: all that is left of the line.")


class NewCreditNote(Incoming):
    """Of `amount`, of `lines`, or with neither of all that is left of the invoice."""

    model_config = examples(
        {"reason": "requested"},
        {"amount": 500, "refund": "to_balance", "reason": "goodwill", "memo": "Sorry for the trouble."},
        {"lines": [{"position": 0}, {"position": 1, "amount": 250}], "reason": "returned"},
    )

    amount: MinorIn | None = Field(
        default=None, description="Minor units as the lines are priced: a tax on top goes back with it."
    )
    lines: Annotated[list[CreditedLineIn], Field(max_length=1000)] = Field(default_factory=list)
    refund: Literal["to_method", "to_balance"] = Field(
        default="to_method", description="`to_method`: what was not paid through a gateway goes to the balance too."
    )
    reason: CreditReason = CreditReason.REQUESTED
    memo: Prose | None = Field(default=None, description="Stands on the credit note.")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.amount is not None and self.lines:
            raise wrong("amount", "give an amount or lines, not both")
        return self

    def parts(self) -> tuple[CreditedPart, ...]:
        return tuple(CreditedPart(line.position, line.amount) for line in self.lines)
