"""Invoices, credit notes, payments, as they are shown. Amounts are minor units of `currency`."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from api.schemas.common import Minor, Outgoing
from api.schemas.subscriptions import DiscountOut, TaxOut


class TierOut(Outgoing):
    """`quantity` at `rate` makes `amount` (major units, exact). `kind` says what the rate is a price of: unit, package,
    percent, included, fee, commitment, minimum. `start` and `reach` are the ends of the tier.
    """

    kind: str
    quantity: Decimal
    rate: Decimal
    amount: Decimal
    start: Decimal | None
    reach: Decimal | None


class LineTaxOut(Outgoing):
    """`position` is that of the tax in the `taxes` of the invoice."""

    position: int
    amount: int


class LineDiscountOut(Outgoing):
    coupon: str
    amount: int


class InvoiceLineOut(Outgoing):
    """`amount` as priced, `discount` taken off it; `net` + `tax` is what the line costs. A credit is negative.

    `tiers` say how the amount comes about where it is more than `quantity` times `unit_price` (major units).
    """

    position: int
    kind: str
    code: str
    description: str
    quantity: Decimal
    unit_price: Decimal | None
    amount: int
    discount: int
    net: int
    tax: int
    tax_inclusive: bool
    period_start: datetime
    period_end: datetime
    discounts: list[LineDiscountOut]
    taxes: list[LineTaxOut]
    tiers: list[TierOut]


class DraftTermsOut(Outgoing):
    """How a draft will be collected."""

    collect: str
    net_days: int | None
    payment_method_id: str | None
    test_clock_id: str | None
    created_at: datetime


class InvoiceOut(Outgoing):
    """`subtotal` as priced, `discount` taken off; `total` = `net` + `tax`, `amount_due` what is left of it after the
    customer's credit was used. Status: draft, open, paid, void, uncollectible. `due_at` only if it is sent.

    A draft has no number and no date of issue: its amounts are what it would come to now. `draft` is null on others.
    """

    id: str
    number: str | None
    subscription_id: str | None
    gift_id: str | None
    customer_id: str
    reason: str
    period_start: datetime
    period_end: datetime
    currency: str
    subtotal: int
    discount: int
    net: int
    tax: int
    total: int
    credit_applied: int
    amount_due: int
    status: str
    issued_at: datetime | None
    due_at: datetime | None
    closed_at: datetime | None
    memo: str | None
    discounts: list[DiscountOut]
    taxes: list[TaxOut]
    lines: list[InvoiceLineOut]
    draft: DraftTermsOut | None


class PaymentOut(Outgoing):
    """One attempt to collect an invoice; `n` counts them. `action_url` is where the customer must authenticate."""

    id: str
    invoice_id: str
    n: int
    customer_id: str
    trigger: str
    gateway: str
    payment_method_id: str | None
    amount: int
    currency: str
    status: str
    decline_code: str | None
    gateway_ref: str | None
    action_url: str | None
    started_at: datetime
    finished_at: datetime | None


class DisputeOut(Outgoing):
    """A charge that is contested. While it is `open` and when it is `lost` the bank has the money.

    `credit_taken`: how much of a lost one the customer had in credit too, and has no longer.
    """

    id: str
    payment_id: Annotated[str, Field(validation_alias="attempt_id")]
    invoice_id: str
    customer_id: str
    gateway: str
    gateway_ref: str
    amount: Minor
    currency: str
    status: str
    reason: str | None
    credit_taken: Minor
    opened_at: datetime
    closed_at: datetime | None


class CreditNoteLineOut(Outgoing):
    """What goes back of a line: `line_position` of `invoice_id`. Positive."""

    invoice_id: str
    line_position: int
    description: str
    net: int
    tax: int
    total: int
    taxes: list[LineTaxOut]


class CreditNoteOut(Outgoing):
    """`refunded` went back through the gateway, `credited` to the customer's balance: together the `total`."""

    id: str
    number: str | None
    invoice_id: str | None
    subscription_id: str | None
    customer_id: str
    reason: str
    currency: str
    net: int
    tax: int
    total: int
    refunded: int
    credited: int
    issued_at: datetime
    memo: str | None
    taxes: list[TaxOut]
    lines: list[CreditNoteLineOut]


class CreditNotePreviewOut(Outgoing):
    """The credit note that would be issued now."""

    invoice_id: str
    currency: str
    net: int
    tax: int
    total: int
    refunded: int
    credited: int
    taxes: list[TaxOut]
    lines: list[CreditNoteLineOut]
