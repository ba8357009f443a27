"""Rows from the history: the projection of a subscription, its timeline and its spans, when they are gone or wrong.

Temporal's history holds every step with all that was to be written of it; the workflow itself says where it stands.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError

from perennial.contracts.activities import Record
from perennial.contracts.workflows import SubscriptionInput
from perennial.db.models import ServiceSpan, Subscription, TimelineEntry
from perennial.db.repositories import records
from perennial.domain.errors import CommandRefused, EngineUnavailable, NotFound
from perennial.domain.subscription import State
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.support.histories import Line, NoHistory, current_run, line_before, line_of
from perennial.support.steps import steps_of

_TRIES = 5
_PAUSE_SECONDS = 0.2
# What the row holds beside what the state says.
_OF_THE_RUN = frozenset({"run_id", "state"})


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`row` is `written` (it was gone), `corrected` (it was wrong: in `columns`) or `right`.

    `entries` and `spans` were written or were as they should be; `dropped` were in the timeline and the spans and in no
    history. `is_whole`: the histories reach back to the start of its life; what is older is left as it is.
    """

    subscription: str
    row: str
    columns: tuple[str, ...]
    step: int
    entries: int
    spans: int
    dropped: int
    is_whole: bool


async def rebuild(engine: Engine, subscription: str) -> Rebuilt:
    """Safe at any time, and safe to repeat: a step that the workflow takes meanwhile is not written over.

    Raises:
        NotFound: there is neither a row nor a workflow.
        NoHistory: there is a row, but Temporal keeps no history.
        CommandRefused: what the row refers to (its customer) is gone too.
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    for _ in range(_TRIES):
        if done := await _tried(engine, subscription):
            return done
        await asyncio.sleep(_PAUSE_SECONDS)
    raise CommandRefused(subscription, "it moves faster than it can be written down; try again")


async def _tried(engine: Engine, subscription: str) -> Rebuilt | None:
    """None when it has taken a step since its history was read."""
    mark = await engine.read(lambda session: _mark(session.get(Subscription, subscription)))
    try:
        line = await line_of(engine, subscription)
    except NoHistory:
        if mark is None:
            raise NotFound("subscription", subscription) from None
        raise
    newest = await _told_by(engine, line)
    run_id, state = await _standing(engine, line, newest)
    told = await _with_earlier(engine, line, newest)
    try:
        return await engine.write(lambda session: _write(session, line, mark, run_id, state, told))
    except IntegrityError as error:
        raise CommandRefused(subscription, "the rows that it refers to (its customer) are gone too") from error


def _mark(row: Subscription | None) -> tuple[str, int] | None:
    """Whatever writes a step writes the row first, and waits for whoever holds it."""
    return (row.run_id, row.step) if row else None


@dataclass(frozen=True, slots=True)
class _Told:
    """What the histories hold. What is `under_way` may be in the tables already: it is left as it is.

    `beginning`: where they begin. `exact_from`: nothing else can have been written since, so all that came after it
    otherwise is a mistake; None when not even the newest life is told whole.
    """

    done: tuple[Record, ...]
    under_way: tuple[Record, ...]
    beginning: State
    exact_from: State | None


async def _with_earlier(engine: Engine, line: Line, told: _Told) -> _Told:
    """With the lives before this one, if it was started again from its row, or reactivated."""
    while line.is_whole and told.beginning.is_begun:
        earlier = await line_before(engine, line)
        if earlier is None:
            break
        line = earlier
        told = _joined(await _told_by(engine, line), told)
    return told


async def _told_by(engine: Engine, line: Line) -> _Told:
    steps = await steps_of(engine, line)
    records_of = [(step.is_done, step.task.record) for step in steps if step.task and step.task.record]
    beginning = await _beginning(engine, line)
    return _Told(
        tuple(record for is_done, record in records_of if is_done),
        tuple(record for is_done, record in records_of if not is_done),
        beginning,
        beginning if line.is_whole and all(step.task for step in steps) else None,
    )


def _joined(earlier: _Told, later: _Told) -> _Told:
    """What the earlier life did after the step from which the later one went on counts no more.

    Up to there all is done, also what Temporal was not told of: the later life began from the row that it had written.
    """
    last = later.beginning.step
    lived = (record for record in (*earlier.done, *earlier.under_way) if record.state.step <= last)
    is_exact = later.exact_from is later.beginning
    return _Told(
        (*lived, *later.done),
        later.under_way,
        earlier.beginning,
        (earlier.exact_from or later.exact_from) if is_exact else later.exact_from,
    )


async def _beginning(engine: Engine, line: Line) -> State:
    """What the oldest run of the line was started with."""
    wrote = line.runs[0].events[0].workflow_execution_started_event_attributes
    [start] = await engine.temporal.data_converter.decode(wrote.input.payloads, [SubscriptionInput])
    state: State = start.state
    return state


async def _standing(engine: Engine, line: Line, told: _Told) -> tuple[str, State]:
    """Where the workflow stands: by its own word, or, if no worker can make it speak, by what it wrote down last.

    If that was nothing, it stands where it began; of a life that has not begun there is nothing to be said.
    """
    run_id = await current_run(engine, line.subscription) or line.current.id
    handle = engine.temporal.get_workflow_handle(line.subscription, run_id=run_id)
    try:
        return run_id, await temporal_call(handle.query("state", result_type=State, rpc_timeout=RPC_TIMEOUT))
    except (WorkflowQueryFailedError, RPCError, EngineUnavailable):
        if not told.done and not told.beginning.is_begun:
            raise
        return run_id, told.done[-1].state if told.done else told.beginning


def _write(
    session: Session, line: Line, mark: tuple[str, int] | None, run_id: str, state: State, told: _Told
) -> Rebuilt | None:
    row = session.get(Subscription, line.subscription, with_for_update=True)
    if _mark(row) != mark:
        return None
    wanted = records.subscription_row(state)
    columns = _differing(row, wanted, state) if row else ()
    if row is None:
        session.add(Subscription(**wanted, run_id=run_id))
        session.flush()
    elif columns:
        session.execute(update(Subscription).where(Subscription.id == row.id).values(**wanted, run_id=run_id))
    entries, spans = _tell(session, line.subscription, told.done)
    dropped = _drop_others(session, line.subscription, told, told.exact_from) if told.exact_from else 0
    said = "written" if row is None else "corrected" if columns else "right"
    return Rebuilt(
        line.subscription, said, columns, state.step, entries, spans, dropped, is_whole=not told.beginning.is_begun
    )


def _differing(row: Subscription, wanted: dict[str, Any], state: State) -> tuple[str, ...]:
    """Steps of a simple success are not written down: the row may be that much behind, and right."""
    names = [name for name, value in wanted.items() if name not in _OF_THE_RUN and getattr(row, name) != value]
    try:
        known = records.load_state(row.state)
    except ValueError:
        return (*names, "state")
    if row.step < state.step:
        return () if names == ["step"] else tuple(names)
    return (*names, "state") if known != state else tuple(names)


def _tell(session: Session, subscription: str, written: Sequence[Record]) -> tuple[int, int]:
    for record in written:
        records.write_notes(session, subscription, record.state.step, record.notes)
        records.write_spans(session, subscription, record.spans)
    return sum(len(record.notes) for record in written), len({s.start for r in written for s in r.spans})


def _drop_others(session: Session, subscription: str, told: _Told, start: State) -> int:
    """What a bug wrote and a reset has told otherwise: it is in the tables, and in no history that still counts."""
    written = (*told.done, *told.under_way)
    known = {(record.state.step, position) for record in written for position in range(len(record.notes))}
    spans = {span.start for record in written for span in record.spans}
    entries = session.scalars(select(TimelineEntry).where(TimelineEntry.subject_id == subscription))
    surplus = [each.id for each in entries if each.step > start.step and (each.step, each.position) not in known]
    starts = session.scalars(select(ServiceSpan.starts_at).where(ServiceSpan.subscription_id == subscription))
    lost = [at for at in starts if at not in spans and (not start.is_begun or at > start.as_of)]
    session.execute(delete(TimelineEntry).where(TimelineEntry.id.in_(surplus)))
    session.execute(
        delete(ServiceSpan).where(ServiceSpan.subscription_id == subscription, ServiceSpan.starts_at.in_(lost))
    )
    return len(surplus) + len(lost)
