"""Writing to the books."""

from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import CreditBalance, LedgerEntry, LedgerTransaction
from perennial.domain.ledger import Posting


def post(session: Session, posting: Posting, at: datetime) -> bool:
    """Post once; False when this business key has been posted before. Nothing is posted for nought."""
    if not posting.entries:
        return False
    transaction = session.scalar(
        upsert(LedgerTransaction)
        .values(key=posting.key, kind=posting.kind, subject_id=posting.subject, at=at)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(LedgerTransaction.id)
    )
    if transaction is None:
        return False
    # One statement for all entries: the trigger that refuses an unbalanced transaction looks at each statement.
    session.execute(
        insert(LedgerEntry).values(
            [
                {
                    "transaction_id": transaction,
                    "position": position,
                    "account": entry.account,
                    "currency": posting.currency,
                    "amount": entry.amount,
                }
                for position, entry in enumerate(posting.entries)
            ]
        )
    )
    return True


def lock_credit(session: Session, customer_id: str, currency: str) -> int:
    """The customer's credit in minor units, locked until the transaction ends."""
    found = session.scalar(
        select(CreditBalance.balance)
        .where(CreditBalance.customer_id == customer_id, CreditBalance.currency == currency)
        .with_for_update()
    )
    return found or 0


def credit_balance(session: Session, customer_id: str, currency: str) -> int:
    """The customer's credit in minor units, as it stands."""
    return (
        session.scalar(
            select(CreditBalance.balance).where(
                CreditBalance.customer_id == customer_id, CreditBalance.currency == currency
            )
        )
        or 0
    )


def use_credit(session: Session, customer_id: str, currency: str, amount: int) -> None:
    if amount:
        session.execute(
            update(CreditBalance)
            .where(CreditBalance.customer_id == bindparam("customer"), CreditBalance.currency == bindparam("money"))
            .values(balance=CreditBalance.balance - amount)
            .execution_options(synchronize_session=False),
            {"customer": customer_id, "money": currency},
        )


def add_credit(session: Session, customer_id: str, currency: str, amount: int) -> None:
    if amount:
        statement = upsert(CreditBalance).values(customer_id=customer_id, currency=currency, balance=amount)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["customer_id", "currency"],
                set_={"balance": CreditBalance.balance + statement.excluded.balance},
            )
        )
