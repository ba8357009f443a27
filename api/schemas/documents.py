"""Invoices, credit notes, payments. Amounts are minor units of `currency`."""

from datetime import datetime
from decimal import Decimal

from api.schemas.common import Outgoing


class InvoiceLineOut(Outgoing):
    """`amount` before and `discount` what is taken off it. A credit has a negative amount."""

    position: int
    kind: str
    description: str
    quantity: Decimal
    amount: int
    discount: int
    period_start: datetime
    period_end: datetime


class InvoiceOut(Outgoing):
    """`total` is before, `amount_due` after the customer's credit was used. Status: open, paid, void, uncollectible."""

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
    total: int
    credit_applied: int
    amount_due: int
    status: str
    issued_at: datetime
    closed_at: datetime | None
    lines: list[InvoiceLineOut]


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


class CreditNoteOut(Outgoing):
    """`refunded` went back through the gateway, `credited` to the customer's balance."""

    id: str
    number: str | None
    invoice_id: str | None
    subscription_id: str | None
    customer_id: str
    reason: str
    currency: str
    total: int
    refunded: int
    credited: int
    issued_at: datetime
