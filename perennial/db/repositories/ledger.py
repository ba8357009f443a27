"""Writing to the books."""

from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import CreditBalance, LedgerEntry, LedgerTransaction
from perennial.db.tables import table_of
from perennial.domain.ledger import Entry, Posting

_transactions, _credit = table_of(LedgerTransaction), table_of(CreditBalance)
_POST = upsert(_transactions).on_conflict_do_nothing(index_elements=["key"]).returning(_transactions.c.id)
# One statement for all entries: the trigger that refuses an unbalanced transaction looks at each statement. (SQLAlchemy
# splits only after a thousand.)
_ENTER = insert(table_of(LedgerEntry))
_BALANCE = select(_credit.c.balance).where(
    _credit.c.customer_id == bindparam("customer"), _credit.c.currency == bindparam("money")
)
_LOCK_BALANCE = _BALANCE.with_for_update()


def post(session: Session, posting: Posting, at: datetime) -> bool:
    """Post once; False when this business key has been posted before. Nothing is posted for nought."""
    if not posting.entries:
        return False
    transaction = session.scalar(
        _POST, {"key": posting.key, "kind": posting.kind, "subject_id": posting.subject, "at": at}
    )
    if transaction is None:
        return False
    session.execute(
        _ENTER,
        [
            {
                "transaction_id": transaction,
                "position": position,
                "account": entry.account,
                "currency": posting.currency,
                "amount": entry.amount,
            }
            for position, entry in enumerate(posting.entries)
        ],
    )
    return True


def entries_of(session: Session, key: str) -> tuple[Entry, ...]:
    """What was posted under this business key."""
    statement = (
        select(LedgerEntry.account, LedgerEntry.amount)
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.key == key)
        .order_by(LedgerEntry.position)
    )
    return tuple(Entry(account, amount) for account, amount in session.execute(statement))


def lock_credit(session: Session, customer_id: str, currency: str) -> int:
    """The customer's credit in minor units, locked until the transaction ends."""
    return session.scalar(_LOCK_BALANCE, {"customer": customer_id, "money": currency}) or 0


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
