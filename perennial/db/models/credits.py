"""What a customer's credit is made of."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class CreditGrant(Base):
    """Credit that a customer was given at once, minor units. All `remaining` together are the `credit_balances`.

    `expires_at` null: never. `expired` is what was left when it expired. `key` is the business key of what it comes
    from. Only a holder of the balance's lock changes `remaining`.
    """

    __tablename__ = "credit_grants"
    __table_args__ = (
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("remaining >= 0 AND expired >= 0 AND remaining + expired <= amount", name="parts"),
        Index("ix_credit_grants_left", "customer_id", "currency", postgresql_where=text("remaining > 0")),
        Index("ix_credit_grants_expiring", "expires_at", postgresql_where=text("remaining > 0")),
        Index("ix_credit_grants_customer", "customer_id", "granted_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    currency: Mapped[str]
    amount: Mapped[int]
    remaining: Mapped[int]
    expired: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str]
    granted_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class CreditUse(Base):
    """What an invoice took from a grant; negative when the voided invoice gave it back. Append-only."""

    __tablename__ = "credit_uses"
    __table_args__ = (CheckConstraint("amount <> 0", name="not_zero"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("credit_grants.id"), index=True)
    # No foreign key: the invoice's row follows in the same transaction.
    invoice_id: Mapped[str] = mapped_column(index=True)
    amount: Mapped[int]
    at: Mapped[datetime]
