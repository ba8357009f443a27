"""Setting a subscription's workflow back to an earlier step of its life.

Its story is told again from there by the code of today. Every effect is found under its business key, so nothing is
charged, issued or given back again; what was never done is done for the first time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from perennial.checks.look import look_at
from perennial.contracts.workflows import Progress
from perennial.db.models import Subscription
from perennial.domain.errors import ClockAdvancing, CommandRefused, EngineUnavailable
from perennial.engine import clocks, subscriptions
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.engine.ids import new_id
from perennial.support.errors import before_error
from perennial.support.histories import FAILED, Line, line_of
from perennial.support.plan import ChargeInFlight, Plan, plan, refuse_in_flight
from perennial.support.rebuild import rebuild
from perennial.support.steps import Step, find, steps_of

# How long it is watched after the reset. A life of years is told again within seconds.
WATCHED_SECONDS = 30.0
_PATIENCE_SECONDS = 2.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Reset:
    """What became of it: `run_id` is the new run; `is_caught_up`: it has arrived where the subscription had been."""

    subscription: str
    to: str
    run_id: str
    steps: int
    is_caught_up: bool
    status: str


async def life(engine: Engine, subscription: str) -> tuple[Line, list[Step]]:
    """Raises NotFound, NoHistory, EngineUnavailable."""
    await subscriptions.get(engine, subscription)
    line = await line_of(engine, subscription)
    return line, await steps_of(engine, line)


async def planned(
    engine: Engine, subscription: str, *, to: str | None = None, workflows: Sequence[type] | None = None
) -> Plan:
    """What a reset would do: to a step (`to`), or, without one, to before what went wrong by the code of `workflows`.

    Raises:
        NotFound, NoHistory: there is nothing that could be reset.
        UnknownStep: there is no such step; its message lists those that there are.
        NothingFails: there is no error to go back to.
        ChargeInFlight: a charge, or any activity, is under way.
        WouldForget: commands that came after an earlier reset would be lost.
        ClockAdvancing: its test clock moves.
    """
    line, steps = await life(engine, subscription)
    await refuse_while_busy(engine, subscription)
    if to is not None:
        step = find(steps, line, to)
        return await plan(engine, line, steps, step.point, f"{step.number} {step.name}")
    error = await before_error(engine, workflows or (), line, steps)
    return await plan(engine, line, steps, error.point, error.to, error.why)


async def refuse_while_busy(engine: Engine, subscription: str) -> None:
    """Raises ChargeInFlight. What is only just being done is waited for."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await _refuse_at_once(engine, subscription)
        except ChargeInFlight:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_POLL_SECONDS)


async def _refuse_at_once(engine: Engine, subscription: str) -> None:
    def check(session: Session) -> None:
        row = subscriptions.require(session, subscription)
        subscriptions.edge_time(engine, session, row.test_clock_id)
        refuse_in_flight(session, subscription)

    await engine.read(check)
    if running := (await look_at(engine, subscription)).running:
        raise ChargeInFlight(subscription, f"{running[0]} is being executed right now")


async def reset(engine: Engine, wanted: Plan, *, why: str, request_id: str | None = None) -> Reset:
    """Do it, and watch until it has arrived. `why` stands in Temporal, readable for everybody there: no names in it.

    The same `request_id` again resets nothing a second time.
    """
    await refuse_while_busy(engine, wanted.subscription)
    mark = f"({request_id or new_id('reset')})"
    async with _one_at_a_time(engine, wanted.subscription):
        run_id = await _was_reset(engine, wanted.subscription, mark) or await _carry_out(engine, wanted, why, mark)
    is_caught_up = await _caught_up(engine, wanted.subscription)
    row = await subscriptions.get(engine, wanted.subscription)
    return Reset(wanted.subscription, wanted.to, run_id, len(wanted.steps), is_caught_up, row.status)


@asynccontextmanager
async def _one_at_a_time(engine: Engine, subscription: str) -> AsyncIterator[None]:
    with await engine.connection() as guard:
        lock = select(func.pg_advisory_xact_lock(func.hashtextextended(f"reset:{subscription}", 0)))
        await asyncio.to_thread(guard.execute, lock)
        yield


async def _was_reset(engine: Engine, subscription: str, mark: str) -> str | None:
    """Where it stands, if it was this request that has reset it. Temporal does not know a request again that it has
    carried out (temporalio/temporal#12042), so the reason that stands in the history ends with its name.
    """
    line = await line_of(engine, subscription)
    failed = (event for run in line.runs for event in run.events if event.event_type == FAILED)
    said = (event.workflow_task_failed_event_attributes.failure.message for event in failed)
    return line.current.id if any(message.endswith(mark) for message in said) else None


async def _carry_out(engine: Engine, wanted: Plan, why: str, mark: str) -> str:
    """Answers with the new run."""
    request = ResetWorkflowExecutionRequest(
        namespace=engine.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=wanted.subscription, run_id=wanted.point.run_id),
        reason=f"{why} {mark}".strip(),
        workflow_task_finish_event_id=wanted.point.event,
        request_id=new_id("reset"),
        identity=engine.temporal.identity,
    )
    try:
        answer = await temporal_call(
            engine.temporal.workflow_service.reset_workflow_execution(request, timeout=RPC_TIMEOUT)
        )
    except RPCError as error:
        if error.status not in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND):
            raise
        raise CommandRefused(wanted.subscription, f"Temporal refuses to reset it: {error.message}") from error
    return answer.run_id


async def _caught_up(engine: Engine, subscription: str) -> bool:
    """Whether it arrives in time. The reset is done, whatever keeps it now: `support stuck` says what."""
    try:
        async with asyncio.timeout(WATCHED_SECONDS):
            await _follow(engine, subscription)
    except (TimeoutError, ClockAdvancing, clocks.ClockLeftBehind, EngineUnavailable):
        return False
    return True


async def _follow(engine: Engine, subscription: str) -> None:
    """A reset run has its own time put back; it is taken along to where its test clock stands."""
    row = await subscriptions.get(engine, subscription)
    if row.test_clock_id:
        if row.ended_at:
            await rebuild(engine, subscription)  # a clock does not move what its row says has ended
        await clocks.take_along(engine, row.test_clock_id, subscription)
    while True:
        if await _is_at_rest(engine, row):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _is_at_rest(engine: Engine, row: Subscription) -> bool:
    handle = engine.temporal.get_workflow_handle(row.id)
    try:
        answer = await temporal_call(handle.query("progress", result_type=Progress, rpc_timeout=RPC_TIMEOUT))
    except (WorkflowQueryFailedError, EngineUnavailable, RPCError):
        return False  # no worker yet, or its task fails again: `support stuck` says why
    progress: Progress = answer
    if progress.busy:
        return False
    if progress.wake_at is None or progress.ended or row.test_clock_id:
        return True
    return progress.wake_at > engine.clock()
