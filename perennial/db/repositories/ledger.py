"""Writing to the books."""

from datetime import datetime

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import CreditBalance, LedgerEntry, LedgerTransaction
from perennial.db.tables import table_of
from perennial.domain.ledger import Entry, Posting

_credit = table_of(CreditBalance)
# One statement for all: the trigger that refuses an unbalanced transaction looks at each.
_POST = text(
    """
WITH posted AS (
    INSERT INTO ledger_transactions (key, kind, subject_id, at) VALUES (:key, :kind, :subject, :at)
    ON CONFLICT (key) DO NOTHING RETURNING id
)
INSERT INTO ledger_entries (transaction_id, position, account, currency, amount)
SELECT posted.id, entry.n - 1, entry.account, :currency, entry.amount
FROM posted CROSS JOIN
     unnest(CAST(:accounts AS text[]), CAST(:amounts AS bigint[])) WITH ORDINALITY AS entry (account, amount, n)
RETURNING transaction_id
"""
)
_BALANCE = select(_credit.c.balance).where(
    _credit.c.customer_id == bindparam("customer"), _credit.c.currency == bindparam("money")
)
_LOCK_BALANCE = _BALANCE.with_for_update()


def post(session: Session, posting: Posting, at: datetime) -> bool:
    """Post once; False when this business key has been posted before. Nothing is posted for nought."""
    if not posting.entries:
        return False
    posted = session.execute(
        _POST,
        {
            "key": posting.key,
            "kind": posting.kind,
            "subject": posting.subject,
            "at": at,
            "currency": posting.currency,
            "accounts": [entry.account for entry in posting.entries],
            "amounts": [entry.amount for entry in posting.entries],
        },
    )
    return posted.first() is not None


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
