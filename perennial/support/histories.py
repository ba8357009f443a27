"""The line of runs that leads to where a subscription's workflow stands, as Temporal keeps it."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from perennial.contracts.workflows import AFTER_RUN
from perennial.domain.errors import CommandRefused
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call

T = TypeVar("T")

COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT
SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


class NoHistory(CommandRefused):
    code = "no_history"

    def __init__(self, subject: str) -> None:
        super().__init__(
            subject,
            f"Temporal keeps no history of it: `perennial support retry {subject}` starts it again from its row",
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One run with its events, from the first."""

    id: str
    events: tuple[HistoryEvent, ...]

    @property
    def continued_from(self) -> str:
        return self.events[0].workflow_execution_started_event_attributes.continued_execution_run_id

    @property
    def continued_as(self) -> str:
        """The run that this one has continued as; empty when it ended in another way, or runs."""
        return self.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id


@dataclass(frozen=True, slots=True)
class Line:
    """Oldest run first; the last is the current one. `is_whole`: it reaches back to where the workflow was started."""

    subscription: str
    runs: tuple[Run, ...]
    is_whole: bool

    @property
    def current(self) -> Run:
        return self.runs[-1]

    @property
    def unbroken(self) -> frozenset[str]:
        """The runs from which Temporal itself finds the way forward to the current one."""
        found = [self.current.id]
        for run in reversed(self.runs[:-1]):
            if run.continued_as != found[-1]:
                break
            found.append(run.id)
        return frozenset(found)


async def line_of(engine: Engine, subscription: str) -> Line:
    """Backwards from the current run: after a reset the old way forward leads to where nobody is any more.

    Raises:
        NoHistory: Temporal keeps none (any more).
        EngineUnavailable: Temporal is away.
    """
    line = await _leading_to(engine, subscription, await current_run(engine, subscription))
    if line is None:
        raise NoHistory(subscription)
    return line


async def line_before(engine: Engine, line: Line) -> Line | None:
    """The one after whose end this one was started from the row, or reactivated. None when none is kept.

    Raises:
        EngineUnavailable: Temporal is away.
    """
    start = line.runs[0].events[0].workflow_execution_started_event_attributes
    memo = start.memo.fields.get(AFTER_RUN)
    if memo is None:
        return None
    [run_id] = await engine.temporal.data_converter.decode([memo], [str])
    return await _leading_to(engine, line.subscription, run_id)


async def _leading_to(engine: Engine, subscription: str, run_id: str) -> Line | None:
    runs: list[Run] = []
    while run_id:
        run = await fetch(engine, subscription, run_id)
        if run is None:
            break
        runs.insert(0, run)
        run_id = run.continued_from
    return Line(subscription, tuple(runs), is_whole=not run_id) if runs else None


async def current_run(engine: Engine, subscription: str) -> str:
    """Empty when Temporal knows of none. Not from the history: that of a reset run bears the id of the first one."""
    handle = engine.temporal.get_workflow_handle(subscription)
    described = await _kept(handle.describe(rpc_timeout=RPC_TIMEOUT))
    return described.run_id if described else ""


async def fetch(engine: Engine, subscription: str, run_id: str) -> Run | None:
    """None when Temporal does not keep it (any more)."""
    handle: WorkflowHandle[Any, Any] = engine.temporal.get_workflow_handle(subscription, run_id=run_id)
    history = await _kept(handle.fetch_history())
    return Run(run_id, tuple(history.events)) if history else None


async def _kept(call: Awaitable[T]) -> T | None:
    try:
        return await temporal_call(call)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
