"""Invoices, credit notes and the series their numbers come from."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Numeric, false
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Invoice(Base):
    """`key` is the business key (`invoice:{subject}:{...}`), the second lock against billing twice.

    `subtotal` is what the prices say, `discount` what coupons took off it; `net` is without, `total` with `tax`.
    `amount_due` is what is left after the credit balance was used. Status: open, paid, void, uncollectible.
    `discounts`: [{coupon, amount, unused}]. `buyer` and `seller` are as they were when it was issued.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint(
            "total >= 0 AND amount_due >= 0 AND total = amount_due + credit_applied AND total = net + tax", name="sums"
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    number: Mapped[str | None] = mapped_column(unique=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    gift_id: Mapped[str | None] = mapped_column(index=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    reason: Mapped[str]
    period_no: Mapped[int]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    currency: Mapped[str]
    subtotal: Mapped[int]
    discount: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    total: Mapped[int]
    credit_applied: Mapped[int]
    amount_due: Mapped[int]
    status: Mapped[str] = mapped_column(index=True)
    issued_at: Mapped[datetime] = mapped_column(index=True)
    # Only of an invoice that is sent; what is charged at once is due when it is issued.
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    discounts: Mapped[list[Any]] = mapped_column(server_default="[]")
    buyer: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    seller: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    memo: Mapped[str | None]


class InvoiceLine(Base):
    """`amount` as priced, `discount` taken off it; `net` + `tax` is what the line costs.

    `price` is the pricing model and `quantity` what it was asked for, so that tiers can be shown. `discounts`:
    [{coupon, amount}]; `taxes`: [{position (of InvoiceTax), amount}].
    """

    __tablename__ = "invoice_lines"

    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    description: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric())
    amount: Mapped[int]
    discount: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    code: Mapped[str] = mapped_column(server_default="")
    price: Mapped[dict[str, Any] | None]
    tax_inclusive: Mapped[bool] = mapped_column(server_default=false())
    discounts: Mapped[list[Any]] = mapped_column(server_default="[]")
    taxes: Mapped[list[Any]] = mapped_column(server_default="[]")


class InvoiceTax(Base):
    """One tax of an invoice, rounded once on the whole (or the sum of lines, by setting)."""

    __tablename__ = "invoice_taxes"

    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction: Mapped[str]
    name: Mapped[str]
    percent: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    category: Mapped[str]
    reason: Mapped[str]
    base: Mapped[int]
    amount: Mapped[int]


class Correction(Base):
    """What a document takes back of an invoice's line: a credit note, or the credit line of a later invoice.

    So no line is ever taken back further than it was charged, and its tax no further than it was collected.
    `taxes`: [{position (of the corrected invoice's InvoiceTax), amount}].
    """

    __tablename__ = "corrections"
    __table_args__ = (Index("ix_corrections_line", "invoice_id", "line_position"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    # The credit note, or the invoice with the credit line, and which line of it.
    document_id: Mapped[str] = mapped_column(index=True)
    document_position: Mapped[int]
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    line_position: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    taxes: Mapped[list[Any]] = mapped_column(server_default="[]")


class CreditNote(Base):
    """Corrects what was invoiced. `refunded` goes back through the gateway, `credited` to the credit balance."""

    __tablename__ = "credit_notes"
    __table_args__ = (CheckConstraint("total > 0 AND total = refunded + credited AND total = net + tax", name="sums"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    number: Mapped[str | None] = mapped_column(unique=True)
    invoice_id: Mapped[str | None] = mapped_column(ForeignKey("invoices.id"), index=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    reason: Mapped[str]
    currency: Mapped[str]
    net: Mapped[int]
    tax: Mapped[int]
    total: Mapped[int]
    refunded: Mapped[int]
    credited: Mapped[int]
    issued_at: Mapped[datetime] = mapped_column(index=True)
    buyer: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    seller: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    memo: Mapped[str | None]


class NumberSeries(Base):
    """`next_number` is taken as the last statement of a transaction, so a rollback leaves no gap.

    `name` is `invoice` or `credit_note`; with numbers that begin anew every year, `invoice:2027`.
    """

    __tablename__ = "number_series"

    name: Mapped[str] = mapped_column(primary_key=True)
    next_number: Mapped[int]
