"""The ledger for spreadsheets and programs: CSV with a row for each entry, JSON with an object for each transaction."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from perennial.db.repositories import journal
from perennial.domain.chart import account
from perennial.domain.money import Money

COLUMNS = (
    "transaction", "at", "kind", "subject", "key", "account", "account_kind", "currency", "amount_minor", "amount"
)  # fmt: skip


def write_csv(session: Session, as_of: datetime | None) -> Iterator[str]:
    """The lines, without their ends. Amounts: debit positive, in minor units and in major ones."""
    yield _row(COLUMNS)
    for transaction in journal.transactions(session, as_of):
        shared = (transaction.id, _instant(transaction.at), transaction.kind, transaction.subject, transaction.key)
        for entry in transaction.entries:
            major = f"{Money(entry.amount, entry.currency).major:f}"
            kind = account(entry.account).kind.value
            yield _row((*shared, entry.account, kind, entry.currency, entry.amount, major))


def write_json(session: Session, as_of: datetime | None) -> Iterator[str]:
    """The lines of one JSON array. `amount` in minor units, debit positive."""
    yield "["
    before = None
    for transaction in journal.transactions(session, as_of):
        if before:
            yield f"{before},"
        entries = [
            {"account": entry.account, "currency": entry.currency, "amount": entry.amount}
            for entry in transaction.entries
        ]
        before = json.dumps(
            {
                "id": transaction.id,
                "key": transaction.key,
                "kind": transaction.kind,
                "subject": transaction.subject,
                "at": _instant(transaction.at),
                "entries": entries,
            },
            ensure_ascii=False,
        )
    if before:
        yield before
    yield "]"


def _row(values: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
