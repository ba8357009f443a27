"""The projection of gift workflows. Who the recipient is stands only here."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import or_, update
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
    """Idempotent, and fenced against a late write of an older step of the same run."""
    state = record.state
    session.execute(
        update(Gift)
        .where(Gift.id == state.id, or_(Gift.run_id != run_id, Gift.step <= state.step))
        .values(columns(state) | {"run_id": run_id})
        .execution_options(synchronize_session=False)
    )
    write_notes(session, state.id, state.step, record.notes)
    # The recipient may be no customer: the relay finds the address by the gift.
    write_messages(session, record.messages, as_of, customer_id=None, subscription_id=state.subscription_id)
