"""Reading the ledger from its beginning, in the order in which things happened."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """`amount` in minor units: debit positive, credit negative."""

    account: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Balanced in each of its currencies. `subject` is the document (or month) it comes from; `at` UTC."""

    id: int
    key: str
    kind: str
    subject: str
    at: datetime
    entries: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class UsedAccount:
    """`first_at` is when it was first moved, `currencies` those that it was ever moved in."""

    name: str
    currencies: tuple[str, ...]
    first_at: datetime


_ENTRIES = text(
    """
SELECT t.id, t.key, t.kind, t.subject_id, t.at, e.account, e.currency, e.amount
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
WHERE CAST(:as_of AS timestamptz) IS NULL OR t.at <= :as_of
ORDER BY t.at, t.id, e.position
"""
)
_ACCOUNTS = text(
    """
SELECT e.account, array_agg(DISTINCT e.currency ORDER BY e.currency) AS currencies, min(t.at) AS first_at
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
WHERE CAST(:as_of AS timestamptz) IS NULL OR t.at <= :as_of
GROUP BY e.account ORDER BY e.account
"""
)


def _head(row: Row[Any]) -> tuple[Any, ...]:
    """What the entries of one transaction have in common."""
    return tuple(row)[:5]


def transactions(session: Session, as_of: datetime | None) -> Iterator[Transaction]:
    """Everything posted up to `as_of` inclusive; read as it is asked for, never all in memory."""
    found = session.execute(_ENTRIES, {"as_of": as_of}, execution_options={"yield_per": _CHUNK})
    for (number, key, kind, subject, at), rows in groupby(found, key=_head):
        yield Transaction(number, key, kind, subject, at, tuple(JournalEntry(*tuple(row)[5:]) for row in rows))


def accounts(session: Session, as_of: datetime | None) -> list[UsedAccount]:
    """The accounts that were moved up to `as_of` inclusive, by name."""
    return [
        UsedAccount(row.account, tuple(row.currencies), row.first_at)
        for row in session.execute(_ACCOUNTS, {"as_of": as_of})
    ]
