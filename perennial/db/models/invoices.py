"""Invoices, credit notes and the series their numbers come from."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Invoice(Base):
    """`key` is the business key (`invoice:{subject}:{...}`), the second lock against billing twice.

    `total` is before, `amount_due` after the credit balance was used. Status: open, paid, void, uncollectible.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint("total >= 0 AND amount_due >= 0 AND total = amount_due + credit_applied", name="sums"),
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
    total: Mapped[int]
    credit_applied: Mapped[int]
    amount_due: Mapped[int]
    status: Mapped[str] = mapped_column(index=True)
    issued_at: Mapped[datetime] = mapped_column(index=True)
    closed_at: Mapped[datetime | None]


class InvoiceLine(Base):
    __tablename__ = "invoice_lines"

    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    description: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric())
    amount: Mapped[int]
    discount: Mapped[int]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]


class CreditNote(Base):
    """Corrects what was invoiced. `refunded` goes back through the gateway, `credited` to the credit balance."""

    __tablename__ = "credit_notes"
    __table_args__ = (CheckConstraint("total > 0 AND total = refunded + credited", name="sums"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    number: Mapped[str | None] = mapped_column(unique=True)
    invoice_id: Mapped[str | None] = mapped_column(ForeignKey("invoices.id"), index=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    reason: Mapped[str]
    currency: Mapped[str]
    total: Mapped[int]
    refunded: Mapped[int]
    credited: Mapped[int]
    issued_at: Mapped[datetime] = mapped_column(index=True)


class NumberSeries(Base):
    """`next_number` is taken as the last statement of a transaction, so a rollback leaves no gap."""

    __tablename__ = "number_series"

    name: Mapped[str] = mapped_column(primary_key=True)
    next_number: Mapped[int]
