"""Writing a step of a subscription down: projection, timeline, spans of service, messages."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import or_
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.contracts.activities import Record
from perennial.contracts.views import view_of
from perennial.db.models import OutboxMessage, ServiceSpan, Subscription, TimelineEntry
from perennial.db.tables import table_of
from perennial.domain import keys
from perennial.domain.subscription.effects import Message, Note
from perennial.domain.subscription.state import Span, State

STATE: TypeAdapter[State] = TypeAdapter(State)

_subscriptions, _timeline = table_of(Subscription), table_of(TimelineEntry)
_spans, _outbox = table_of(ServiceSpan), table_of(OutboxMessage)


def _project() -> Insert:
    statement = upsert(_subscriptions)
    row = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={column.name: column for column in row if column.name not in ("id", "created_at")},
        # A late write of an older step of the same run changes nothing.
        where=or_(_subscriptions.c.run_id != row.run_id, _subscriptions.c.step <= row.step),
    )


def _tell_again(statement: Insert, key: tuple[str, ...], told: tuple[str, ...]) -> Insert:
    return statement.on_conflict_do_update(
        index_elements=key, set_={column: statement.excluded[column] for column in told}
    )


_PROJECT = _project().returning(_subscriptions.c.id)
_WRITE_NOTES = _tell_again(upsert(_timeline), ("subject_id", "step", "position"), ("at", "kind", "actor", "data"))
_WRITE_SPANS = _tell_again(upsert(_spans), ("subscription_id", "starts_at"), ("ends_at", "kind", "period_no"))
_WRITE_MESSAGES = upsert(_outbox).on_conflict_do_nothing(index_elements=["key"])


def load_state(data: dict[str, Any]) -> State:
    """A state as it was recorded."""
    return STATE.validate_python(data)


def dump_state(state: State) -> dict[str, Any]:
    dumped: dict[str, Any] = STATE.dump_python(state, mode="json")
    return dumped


def subscription_row(state: State) -> dict[str, Any]:
    """The columns of the projection."""
    view = view_of(state)
    return {
        "id": state.id,
        "customer_id": state.customer_id,
        "test_clock_id": state.test_clock_id,
        "plan_code": view.plan,
        "plan_version": view.plan_version,
        "quantity": view.quantity,
        "currency": view.currency,
        "timezone": view.timezone,
        "status": view.status,
        "period_start": view.period_start,
        "period_end": view.period_end,
        "trial_end": view.trial_end,
        "next_due_at": view.next_due_at,
        "next_due_kind": view.next_due_kind,
        "cancel_at": view.cancel_at,
        "dunning_attempt": view.dunning_attempt,
        "payment_method_id": view.payment_method_id,
        "created_at": view.created_at,
        "ended_at": view.ended_at,
        "parked_at": view.parked_since,
        "state": dump_state(state),
        "step": state.step,
    }


def write(session: Session, record: Record, as_of: datetime, run_id: str) -> None:
    """Idempotent, and fenced against a late write, whose notes and spans have been written or replaced by then."""
    state = record.state
    if session.scalar(_PROJECT, subscription_row(state) | {"run_id": run_id}) is None:
        return
    write_notes(session, state.id, state.step, record.notes)
    write_spans(session, state.id, record.spans)
    write_messages(session, record.messages, as_of, customer_id=state.customer_id, subscription_id=state.id)


def write_notes(session: Session, subject: str, step: int, notes: tuple[Note, ...]) -> None:
    if not notes:
        return
    session.execute(
        _WRITE_NOTES,
        [
            {
                "subject_id": subject,
                "step": step,
                "position": position,
                "at": note.at,
                "kind": note.kind,
                "actor": note.actor,
                "data": note.data,
            }
            for position, note in enumerate(notes)
        ],
    )


def write_spans(session: Session, subscription: str, spans: tuple[Span, ...]) -> None:
    """The last span with a start wins; an upsert takes a row once, so earlier ones of the same step are dropped."""
    by_start = {span.start: span for span in spans}
    if not by_start:
        return
    session.execute(
        _WRITE_SPANS,
        [
            {
                "subscription_id": subscription,
                "starts_at": span.start,
                "ends_at": span.end,
                "kind": span.kind.value,
                "period_no": span.period_no,
            }
            for span in by_start.values()
        ],
    )


def write_messages(
    session: Session,
    messages: tuple[Message, ...],
    occurred_at: datetime,
    *,
    customer_id: str | None,
    subscription_id: str | None,
) -> None:
    """Into the outbox, each once for each of its channels; the relay delivers them."""
    rows = [(message, channel) for message in messages for channel in message.channels]
    if not rows:
        return
    session.execute(
        _WRITE_MESSAGES,
        [
            {
                "key": keys.by_channel(message.key, channel),
                "kind": message.kind,
                "channel": channel,
                "customer_id": customer_id,
                "subscription_id": subscription_id,
                "payload": message.data,
                "occurred_at": occurred_at,
            }
            for message, channel in rows
        ],
    )
