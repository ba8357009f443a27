"""Recorded histories against the code of today: whether it still decides the same, and where it does not.

Temporal's own replay compares the kinds of steps. What activities are asked for (amounts, dates, documents) is compared
here, as values: a field that is new and has its default is no difference.
"""

import dataclasses
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy.orm import Session
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    Replayer,
    StartActivityInput,
    UnsandboxedWorkflowRunner,
)

from perennial.checks.listening import Listener, Raised, silence
from perennial.contracts.reconciliation import RECONCILIATION
from perennial.contracts.workflows import (
    BATCH_RESET,
    BOOKKEEPING,
    CREDIT_NOTE,
    GIFT,
    INVOICE,
    PLAN_MIGRATION,
    SUBSCRIPTION,
)
from perennial.db.models import Base, BatchReset, CreditNote, Gift, OneOffInvoice, PlanMigration, Subscription
from perennial.domain.errors import CommandRefused, InvalidInput, NotFound
from perennial.engine.context import Engine, list_runs, temporal_call
from perennial.temporal.codec import KEY_ID

_TYPES = (SUBSCRIPTION, GIFT, INVOICE, CREDIT_NOTE, PLAN_MIGRATION, BATCH_RESET, BOOKKEEPING, RECONCILIATION)
# A reset terminates the run that it replaces, and nothing goes on from one that was terminated by hand either.
_GOES_ON = "ExecutionStatus != 'Terminated'"
EVERYTHING = f"WorkflowType IN {_TYPES} AND {_GOES_ON}"
_OWNERS: tuple[type[Base], ...] = (Subscription, Gift, OneOffInvoice, CreditNote, PlanMigration, BatchReset)
_EVENT = re.compile(r"\bid: (\d+)")
_MESSAGE = re.compile(r"Failure \{ message: \"(.+?)(?<!\\\\)\"")
# What workflow code asks for.
_DONE = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step that differs. `event` is its number in the history and `at` its time there (UTC), if known."""

    event: int | None
    at: datetime | None
    recorded: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One run; `difference` is None when today's code decides the same."""

    id: str
    run_id: str
    events: int
    difference: Difference | None


async def replay_one(engine: Engine, workflows: Sequence[type], workflow_id: str) -> list[Replayed]:
    """Every run that Temporal still has of it.

    Raises:
        NotFound: nothing has this id.
        CommandRefused: Temporal keeps no history of it any more.
    """
    quoted = workflow_id.replace("'", "")
    if found := await replay_many(engine, workflows, f"WorkflowId = '{quoted}' AND {_GOES_ON}"):
        return found
    if found := await _replayed(engine, workflows, _newest(engine, workflow_id)):
        return found
    if not await engine.read(lambda session: _exists(session, workflow_id)):
        raise NotFound("subscription or gift", workflow_id)
    raise CommandRefused(workflow_id, "Temporal keeps no history of it any more: nothing can be replayed")


async def newest_difference(engine: Engine, workflows: Sequence[type], workflow_id: str) -> Difference | None:
    """Of its newest run alone: what has ended need not be gone on with. None also when Temporal keeps no history."""
    found = await _replayed(engine, workflows, _newest(engine, workflow_id))
    return found[0].difference if found else None


async def replay_many(engine: Engine, workflows: Sequence[type], query: str = EVERYTHING) -> list[Replayed]:
    """What a visibility query finds. Nothing is written, no activity runs.

    Raises:
        InvalidInput: Temporal does not understand the query.
        CannotDecrypt: the key of a history is not here.
    """
    try:
        return await _replayed(engine, workflows, _histories(engine, query))
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        message = f"Temporal does not understand it: {error.message}"
        raise InvalidInput(message, field="query") from error


async def _replayed(
    engine: Engine, workflows: Sequence[type], histories: AsyncIterator[tuple[str, WorkflowHistory]]
) -> list[Replayed]:
    listener = Listener()
    converter = engine.temporal.data_converter
    replayer = Replayer(
        runtime=_quiet(),
        workflows=workflows,
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=converter,
        interceptors=[listener],
    )
    done = []
    async for run_id, history in histories:
        listener.clear()
        await _refuse_unreadable(converter, history)
        with silence():
            failure = (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure
        difference = await _first_difference(converter, history, listener, failure)
        done.append(Replayed(history.workflow_id, run_id, len(history.events), difference))
    return done


async def _refuse_unreadable(converter: DataConverter, history: WorkflowHistory) -> None:
    """A key that is missing here is no other decision. Raises CannotDecrypt."""
    tried: set[bytes] = set()
    for event in history.events:
        started = event.workflow_execution_started_event_attributes.input.payloads
        for payload in (*started, *event.activity_task_scheduled_event_attributes.input.payloads):
            name = payload.metadata.get(KEY_ID)
            if name is not None and name not in tried:
                tried.add(name)
                await converter.decode([payload])


@cache
def _quiet() -> Runtime:
    """The SDK would tell each difference in its own words too, at length. Once a process: it has threads."""
    said = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=said)))


async def _histories(engine: Engine, query: str) -> AsyncIterator[tuple[str, WorkflowHistory]]:
    async for run in list_runs(engine, query):
        handle = engine.temporal.get_workflow_handle(run.id, run_id=run.run_id)
        yield run.run_id, await temporal_call(handle.fetch_history())


async def _newest(engine: Engine, workflow_id: str) -> AsyncIterator[tuple[str, WorkflowHistory]]:
    """The visibility store lags a little: what has just begun is asked for by name."""
    handle = engine.temporal.get_workflow_handle(workflow_id)
    try:
        history = await temporal_call(handle.fetch_history())
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return
    yield history.run_id, history


def _exists(session: Session, workflow_id: str) -> bool:
    return any(session.get(kind, workflow_id) is not None for kind in _OWNERS)


async def _first_difference(
    converter: DataConverter, history: WorkflowHistory, listener: Listener, failure: Exception | None
) -> Difference | None:
    """What activities are asked for comes first: it is told more exactly than Temporal tells of the steps."""
    scheduled = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    raised = listener.raised[0] if listener.raised else None
    broken_at = raised.event if raised else _event_of(failure) if failure else None
    # A run that goes on may be asked for one step more than is written: that is no difference.
    for event, asked in zip(scheduled, listener.heard, strict=False):
        if broken_at is not None and event.event_id >= broken_at:
            break
        if words := await _in_activity(converter, event, asked):
            return Difference(event.event_id, _at(event), *words)
    if raised:
        return await _stopped_by(converter, history, raised)
    if failure is None:
        return None
    event_there = next((event for event in history.events if event.event_id == broken_at), None)
    recorded = await _told(converter, event_there) if event_there else "the history as it stands"
    return Difference(broken_at, _at(event_there) if event_there else None, recorded, _in_short(failure))


async def _stopped_by(converter: DataConverter, history: WorkflowHistory, raised: Raised) -> Difference:
    """Of code that raises: the next thing that was done there, or, where it is stuck now, nothing."""
    done = next(
        (event for event in history.events if event.event_id > raised.event and event.event_type in _DONE), None
    )
    wanted = f"it raises {type(raised.error).__name__}: {_one_line(raised.error)}"
    if done is None:
        return Difference(raised.event, None, "nothing yet", wanted)
    return Difference(done.event_id, _at(done), await _told(converter, done), wanted)


async def _in_activity(
    converter: DataConverter, event: HistoryEvent, asked: StartActivityInput
) -> tuple[str, str] | None:
    """What was recorded and what is wanted, when they differ."""
    wrote = event.activity_task_scheduled_event_attributes
    here = f"{asked.activity} ({asked.summary})"
    if wrote.activity_type.name != asked.activity:
        return await _told(converter, event), here
    try:
        values = await converter.decode(wrote.input.payloads, [type(value) for value in asked.args])
    except Exception as error:  # noqa: BLE001 - whatever it is, today's code cannot read it
        return await _told(converter, event), f"{here}, but it cannot read what was recorded: {_one_line(error)}"
    for old, new in zip(values, asked.args, strict=True):
        if found := _apart(old, new):
            path, before, after = found
            return f"{await _told(converter, event)}: {path} = {before}", f"{here}: {path} = {after}"
    return None


def _apart(old: Any, new: Any, path: str = "") -> tuple[str, str, str] | None:
    """The first value in which two structures differ: where, and the two."""
    if old == new:
        return None
    if dataclasses.is_dataclass(new) and type(old) is type(new):
        for each in dataclasses.fields(new):
            name = f"{path}.{each.name}" if path else each.name
            if found := _apart(getattr(old, each.name), getattr(new, each.name), name):
                return found
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            if found := _apart(before, after, f"{path}[{index}]"):
                return found
    return path or "input", str(old), str(new)


async def _told(converter: DataConverter, event: HistoryEvent) -> str:
    """An event in words: what it is, and the summary that was put on it."""
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        name = event.activity_task_scheduled_event_attributes.activity_type.name
    else:
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").replace("_", " ").lower()
    if not event.user_metadata.HasField("summary"):
        return name
    [summary] = await converter.decode([event.user_metadata.summary])
    return f"{name} ({summary if isinstance(summary, str) else json.dumps(summary)})"


def _at(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


def _event_of(failure: Exception) -> int | None:
    found = _EVENT.search(str(failure))
    return int(found[1]) if found else None


def _in_short(failure: Exception) -> str:
    """The message alone of what the SDK's core writes out with all its fields."""
    found = _MESSAGE.search(str(failure))
    return " ".join(found[1].split()) if found else _one_line(failure)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
