"""One-off invoices: drafts as rows, and the projection of their workflows once they are finalised."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.contracts.activities import OneOffRecord
from perennial.db.models import DocumentMemo, OneOffInvoice
from perennial.db.repositories.records import write_messages, write_notes
from perennial.domain.drafts import DraftLine, invoice_draft
from perennial.domain.one_off import OneOffState, next_due
from perennial.domain.subscription.effects import InvoiceDraft

DRAFT, DELETED, FINALISED, SETTLED = "draft", "deleted", "finalised", "settled"

_LINES: TypeAdapter[list[DraftLine]] = TypeAdapter(list[DraftLine])
_STATE: TypeAdapter[OneOffState] = TypeAdapter(OneOffState)


def dump_lines(lines: Sequence[DraftLine]) -> list[Any]:
    dumped: list[Any] = _LINES.dump_python(list(lines), mode="json")
    return dumped


def load_lines(row: OneOffInvoice) -> list[DraftLine]:
    return _LINES.validate_python(row.lines)


def load_state(row: OneOffInvoice) -> OneOffState:
    """The recorded state of one that has been finalised."""
    return _STATE.validate_python(row.state)


def draft_of(row: OneOffInvoice, at: datetime) -> InvoiceDraft:
    """What would be issued at `at`; its due date is known when it is finalised."""
    due_at = load_state(row).due_at if row.state else None
    return invoice_draft(row.id, row.currency, load_lines(row), at, due_at=due_at, memo=row.memo)


def columns(state: OneOffState) -> dict[str, Any]:
    """What the workflow knows of it."""
    due = next_due(state)
    return {
        "status": SETTLED if state.status.is_ended else FINALISED,
        "next_due_at": due.at if due else None,
        "state": _STATE.dump_python(state, mode="json"),
        "step": state.step,
    }


def require_finalised(session: Session, invoice: str) -> OneOffInvoice:
    """Its row, locked.

    Raises:
        LookupError: finalising it is not committed (yet): nobody may be sent what may still be changed.
    """
    row = session.get(OneOffInvoice, invoice, with_for_update=True, populate_existing=True)
    if row is None or row.status not in (FINALISED, SETTLED):
        msg = f"no finalised invoice {invoice}"
        raise LookupError(msg)
    return row


def write(session: Session, record: OneOffRecord, as_of: datetime, run_id: str) -> OneOffInvoice:
    """Idempotent, and fenced against a late write of an older step of the same run. Raises LookupError, as above."""
    state = record.state
    row = require_finalised(session, state.id)
    if row.run_id == run_id and row.step > state.step:
        return row
    for name, value in (columns(state) | {"run_id": run_id}).items():
        setattr(row, name, value)
    write_notes(session, state.id, state.step, record.notes)
    write_messages(session, record.messages, as_of, customer_id=state.customer_id, subscription_id=None)
    return row


def write_memo(session: Session, key: str, memo: str | None) -> None:
    """Kept until the document of this business key is issued; the first one counts."""
    if memo:
        session.execute(upsert(DocumentMemo).values(key=key, memo=memo).on_conflict_do_nothing())


def memo_of(session: Session, key: str) -> str | None:
    return session.scalar(select(DocumentMemo.memo).where(DocumentMemo.key == key))
