"""The projection of gift workflows. Who the recipient is stands only here."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from perennial.contracts.activities import GiftRecord
from perennial.db.models import Gift
from perennial.db.repositories.records import write_messages, write_notes
from perennial.domain.gift import GiftState, next_due

_STATE: TypeAdapter[GiftState] = TypeAdapter(GiftState)


def load_state(data: dict[str, Any]) -> GiftState:
    return _STATE.validate_python(data)


def columns(state: GiftState) -> dict[str, Any]:
    """What the workflow knows of a gift."""
    due = next_due(state)
    return {
        "status": state.status.value,
        "deliver_at": state.deliver_at,
        "expires_at": state.expires_at,
        "next_due_at": due.at if due else None,
        "recipient_id": state.recipient_id,
        "subscription_id": state.subscription_id,
        "state": _STATE.dump_python(state, mode="json"),
        "step": state.step,
    }


def write(session: Session, record: GiftRecord, as_of: datetime, run_id: str) -> None:
    """Idempotent, and fenced against a late write of an older step of the same run.

    Raises:
        LookupError: the purchase is not committed (yet): nothing may be done for a gift that nobody can find.
    """
    state = record.state
    row = session.get(Gift, state.id, with_for_update=True)
    if row is None:
        msg = f"no gift {state.id}"
        raise LookupError(msg)
    if row.run_id == run_id and row.step > state.step:
        return
    for name, value in (columns(state) | {"run_id": run_id}).items():
        setattr(row, name, value)
    write_notes(session, state.id, state.step, record.notes)
    # The recipient may be no customer: the relay finds the address by the gift.
    write_messages(session, record.messages, as_of, customer_id=None, subscription_id=state.subscription_id)
