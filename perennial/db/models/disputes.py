"""Charges that cardholders contest."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Dispute(Base):
    """`key` (`dispute:{charge}:{gateway_ref}`) makes it once. Status: open, won, lost.

    `told_at` is when it was decided, by the gateway's clock: an older decision that is heard later is no news.

    `credit_taken` is what the customer had in credit of the same charge and lost again with the dispute; minor units.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        UniqueConstraint("gateway", "gateway_ref"),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("credit_taken BETWEEN 0 AND amount", name="credit_within"),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed"),
        Index("ix_disputes_customer", "customer_id", "opened_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    gateway: Mapped[str]
    gateway_ref: Mapped[str]
    attempt_id: Mapped[str] = mapped_column(ForeignKey("payment_attempts.id"), index=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), index=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    credit_taken: Mapped[int] = mapped_column(server_default="0")
    opened_at: Mapped[datetime] = mapped_column(index=True)
    closed_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
