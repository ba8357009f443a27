"""The double-entry ledger. Triggers (see the migrations) refuse unbalanced, changed and deleted rows."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class LedgerTransaction(Base):
    __tablename__ = "ledger_transactions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    subject_id: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(index=True)


class LedgerEntry(Base):
    """`amount` in minor units: debit positive, credit negative; the entries of a transaction sum to nought."""

    __tablename__ = "ledger_entries"
    __table_args__ = (CheckConstraint("amount <> 0", name="not_zero"),)

    transaction_id: Mapped[int] = mapped_column(ForeignKey("ledger_transactions.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(index=True)
    currency: Mapped[str]
    amount: Mapped[int]


class CreditBalance(Base):
    """A customer's credit. Equal to the ledger's `credit:{customer}`; kept so that it can be locked and checked."""

    __tablename__ = "credit_balances"
    __table_args__ = (CheckConstraint("balance >= 0", name="not_negative"),)

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int]
