"""Test clocks: all subscriptions, gifts and one-off invoices of a clock move together, a step at a time.

A step ends at the next due instant of the workflow, and the next one begins when it has acted: a fast-forward that
is longer can jump over timers when a message arrives (see docs/architecture.md).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from temporalio.client import WorkflowExecutionStatus, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from perennial.contracts.workflows import Progress
from perennial.db.models import Gift, OneOffInvoice, Subscription, TestClock
from perennial.db.repositories import card_reminders, usage_alerts
from perennial.db.repositories.drafts import FINALISED
from perennial.domain.errors import (
    ClockAdvancing,
    ClockBackwards,
    CommandRefused,
    EngineUnavailable,
    InvalidInput,
    NotFound,
)
from perennial.engine import gifts, one_off, runs
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.engine.ids import new_id
from perennial.temporal import clock as skipping

# Workflows that move at the same time. More only queue up in the server.
WIDTH = 12
_POLL_SECONDS = 0.01
# A workflow that stays busy is asked less and less often: each question costs a worker as much as a step of its own,
# and who waits for a worker that was killed waits for fifteen seconds.
_SLOWER, _LONGEST_POLL_SECONDS = 1.25, 0.5
# How long a workflow may be busy before it is looked at whether it still runs.
_LONG_WAIT_SECONDS = 1.0
# How long a server that restarts, or a workflow whose worker was killed, is asked again before the caller is told; and
# one whose code cannot go on, before the clock moves without it.
_OUTAGE_SECONDS = 20.0
# An activity that has failed so often has done so for about a minute (`workflows.effects.RETRY`): not waited for.
_HOPELESS_ATTEMPTS = 7
LONGEST_STEP = timedelta(days=366 * 20)
_NAMED = 3


class ClockLeftBehind(CommandRefused):
    """The clock has arrived where it was to go, but not all that lives on it."""

    code = "clock_left_behind"

    def __init__(self, clock: str, now: datetime, behind: Sequence[str]) -> None:
        more = len(behind) - _NAMED
        named = ", ".join(behind[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        super().__init__(
            clock,
            f"the test clock has moved to {now.isoformat()}, but {named} cannot go on and was left behind: "
            "`perennial support stuck` says why; once mended, the next advance takes it along",
        )


async def create(engine: Engine, *, name: str, now: datetime, id: str | None = None) -> TestClock:
    """A clock that stands at `now` (UTC), any instant."""
    if now.tzinfo is None:
        message = "needs a time zone"
        raise InvalidInput(message, field="now")
    clock_id = id or new_id("clk")

    def insert(session: Session) -> TestClock:
        found = session.get(TestClock, clock_id)
        if found is None:
            found = TestClock(
                id=clock_id, name=name, now=now.replace(microsecond=0), status="ready", created_at=engine.clock()
            )
            session.add(found)
        return found

    return await engine.write(insert)


async def get(engine: Engine, clock_id: str) -> TestClock:
    return await engine.read(lambda session: _require(session, clock_id))


def _require(session: Session, clock_id: str, *, lock: bool = False) -> TestClock:
    clock = session.get(TestClock, clock_id, with_for_update=lock or None)
    if clock is None:
        raise NotFound("test clock", clock_id)
    return clock


async def advance(
    engine: Engine, clock_id: str, *, to: datetime | None = None, by: timedelta | None = None
) -> TestClock:
    """Move the clock to an instant or by a duration; returns when everything that lives on it has arrived.

    An advance that was interrupted is finished by the next one. What cannot go on is left behind: it is overdue by this
    clock, and the next advance takes it along.

    Raises:
        ClockAdvancing: another call is moving it.
        ClockLeftBehind: the clock has arrived, but something on it stands still.
        ClockBackwards: the target is before where it stands.
        InvalidInput: not exactly one of `to` and `by`.
    """
    if (to is None) == (by is None):
        message = "give either an instant or a duration"
        raise InvalidInput(message, field="to")
    async with _held(engine, clock_id):
        # Sooner than the relay would: what is used up is told in its own period.
        await engine.write(lambda session: usage_alerts.tell_clock(session, clock_id, engine.clock()))
        target = await engine.write(lambda session: _aim(session, clock_id, to, by))
        behind = await _move_all(engine, clock_id, target)
        clock = await engine.write(lambda session: _arrive(session, clock_id, target))
    if behind:
        raise ClockLeftBehind(clock_id, target, sorted(behind))
    return clock


async def take_along(engine: Engine, clock_id: str, workflow_id: str) -> None:
    """One workflow to where its clock stands, and nobody else: the others may stand still for reasons of their own.

    Raises:
        ClockAdvancing: the clock moves, and will take it along.
        ClockLeftBehind: it stands still.
    """
    async with _held(engine, clock_id):
        clock = await get(engine, clock_id)
        if not await _move(engine, workflow_id, clock.now, asyncio.Semaphore()):
            raise ClockLeftBehind(clock_id, clock.now, [workflow_id])


@asynccontextmanager
async def _held(engine: Engine, clock_id: str) -> AsyncIterator[None]:
    """Nobody else moves the clock. Raises ClockAdvancing: somebody does."""
    with await engine.connection() as guard:
        # Held by the connection: a process that dies in the middle lets go of it.
        held = await asyncio.to_thread(
            guard.scalar, select(func.pg_try_advisory_lock(func.hashtextextended(clock_id, 0)))
        )
        if not held:
            raise ClockAdvancing(clock_id)
        try:
            yield
        finally:
            await asyncio.to_thread(guard.execute, text("SELECT pg_advisory_unlock_all()"))


def _aim(session: Session, clock_id: str, to: datetime | None, by: timedelta | None) -> datetime:
    clock = _require(session, clock_id, lock=True)
    target = to or clock.now + (by or timedelta())
    if target < clock.now:
        raise ClockBackwards(clock_id, clock.now)
    if target - clock.now > LONGEST_STEP:
        message = "a clock moves twenty years at most in one step"
        raise InvalidInput(message, field="to")
    if clock.status == "advancing" and clock.target:
        target = max(target, clock.target)
    clock.status, clock.target = "advancing", target
    return target


def _arrive(session: Session, clock_id: str, target: datetime) -> TestClock:
    clock = _require(session, clock_id, lock=True)
    card_reminders.tell_clock(session, clock_id, clock.now, target)
    clock.now, clock.target, clock.status = target, None, "ready"
    return clock


async def _move_all(engine: Engine, clock_id: str, target: datetime) -> set[str]:
    """Until nothing new has appeared: a gift that is due may have brought a subscription into being.

    Answers what stands still and was left behind.
    """
    behind: set[str] = set()
    asked: set[str] = set()
    width = asyncio.Semaphore(WIDTH)
    while waiting := (await engine.read(lambda session: _living(session, clock_id))) - asked:
        try:
            async with asyncio.TaskGroup() as group:
                moves = {one: group.create_task(_move(engine, one, target, width)) for one in sorted(waiting)}
        except ExceptionGroup as troubles:
            raise troubles.exceptions[0] from troubles  # callers know errors, and no groups of them
        behind |= {one for one, move in moves.items() if not move.result()}
        asked |= waiting
    return behind


def _living(session: Session, clock_id: str) -> set[str]:
    subscriptions = select(Subscription.id).where(
        Subscription.test_clock_id == clock_id, Subscription.ended_at.is_(None)
    )
    gifts = select(Gift.id).where(Gift.test_clock_id == clock_id, Gift.next_due_at.is_not(None))
    invoices = select(OneOffInvoice.id).where(
        OneOffInvoice.test_clock_id == clock_id, OneOffInvoice.status == FINALISED
    )
    return {*session.scalars(subscriptions), *session.scalars(gifts), *session.scalars(invoices)}


@dataclass(slots=True)
class _Pace:
    """How often a workflow is asked, for how long it has been busy, and since when nothing answers (seconds)."""

    pause: float = _POLL_SECONDS
    waited: float = 0.0
    silent_since: float | None = None

    async def rest(self) -> bool:
        """Whether it has been busy for long by now."""
        await asyncio.sleep(self.pause)
        self.waited, self.pause = self.waited + self.pause, min(self.pause * _SLOWER, _LONGEST_POLL_SECONDS)
        is_long = self.waited >= _LONG_WAIT_SECONDS
        self.waited = 0.0 if is_long else self.waited
        return is_long

    def is_patient(self) -> bool:
        """Whether what does not answer is asked again."""
        self.silent_since = self.silent_since or time.monotonic()
        return time.monotonic() - self.silent_since < _OUTAGE_SECONDS


class _StandsStill(Exception):
    """The workflow code cannot go on, so that nothing answers; or an activity fails for ever (`is_hopeless`)."""

    def __init__(self, *, is_hopeless: bool = False) -> None:
        self.is_hopeless = is_hopeless


async def _move(engine: Engine, workflow_id: str, target: datetime, width: asyncio.Semaphore) -> bool:
    """Step from due instant to due instant until the next one lies beyond the target. False when it stands still.

    One workflow that does not answer, because its worker was killed, must not take the others back to their start.
    """
    pace = _Pace()
    async with width:
        while True:
            try:
                if await _step(engine, workflow_id, target, pace):
                    return True
                pace.silent_since = None
                continue
            except EngineUnavailable:
                if not pace.is_patient():
                    if await _has_failing_code(engine, workflow_id):
                        return False
                    raise
            except _StandsStill as still:
                if still.is_hopeless or not pace.is_patient():
                    return False
            await asyncio.sleep(_LONGEST_POLL_SECONDS)


async def _step(engine: Engine, workflow_id: str, target: datetime, pace: _Pace) -> bool:
    """True when it has arrived or ended."""
    progress = await _progress(engine, workflow_id)
    if progress is None or (progress.ended and not progress.busy):
        return True
    if progress.busy:  # also one that has ended may still be writing it down
        if await pace.rest():
            await _look_after(engine, workflow_id)
        return False
    pace.pause, pace.waited = _POLL_SECONDS, 0.0
    is_last = progress.wake_at is None or progress.wake_at > target
    goal = target if progress.wake_at is None or is_last else progress.wake_at
    now = await temporal_call(skipping.current_time(engine.temporal, workflow_id))
    left = goal - progress.clock_offset - now
    if left > timedelta():
        return not await _skip(engine, workflow_id, left)
    if not is_last:
        await asyncio.sleep(_POLL_SECONDS)  # it is just about to act
    return is_last


async def _progress(engine: Engine, workflow_id: str) -> Progress | None:
    """Where the workflow stands; None when it has ended. One that is missing while its row lives is repaired.

    Raises _StandsStill.
    """
    handle = engine.temporal.get_workflow_handle(workflow_id)
    try:
        return await temporal_call(handle.query("progress", result_type=Progress, rpc_timeout=RPC_TIMEOUT))
    except WorkflowQueryFailedError as error:
        await _look_after(engine, workflow_id)
        raise _StandsStill from error
    except RPCError as error:
        if error.status is RPCStatusCode.FAILED_PRECONDITION:  # its workflow task fails
            raise _StandsStill from error
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        alive = await _repair(engine, workflow_id)
        return Progress(busy=True, wake_at=None, ended=False) if alive else None


async def _skip(engine: Engine, workflow_id: str, by: timedelta) -> bool:
    """A terminated workflow still answers questions, but cannot be moved: it is repaired (True: ask it again)."""
    try:
        await temporal_call(skipping.fast_forward(engine.temporal, workflow_id, by))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return await _repair(engine, workflow_id)
    return True


async def _look_after(engine: Engine, workflow_id: str) -> None:
    """One that was terminated in the middle of a step says that it is busy for ever: it is repaired.

    Raises _StandsStill: one of its activities fails again and again.
    """
    description = await temporal_call(engine.temporal.get_workflow_handle(workflow_id).describe())
    if description.status is not WorkflowExecutionStatus.RUNNING:
        await _repair(engine, workflow_id)
    elif any(each.attempt >= _HOPELESS_ATTEMPTS for each in description.raw_description.pending_activities):
        raise _StandsStill(is_hopeless=True)


async def _has_failing_code(engine: Engine, workflow_id: str) -> bool:
    """A question waits for the code as long as its caller does: then it seems that Temporal is away."""
    description = await temporal_call(engine.temporal.get_workflow_handle(workflow_id).describe())
    return description.raw_description.pending_workflow_task.attempt > 1


async def _repair(engine: Engine, workflow_id: str) -> bool:
    """Start the workflow again if its subscription, gift or one-off invoice lives."""
    row = await engine.read(lambda session: session.get(Subscription, workflow_id))
    if row is None:
        return await gifts.repair(engine, workflow_id) or await one_off.repair(engine, workflow_id)
    if row.ended_at:
        return False
    await runs.repair(engine, row)
    return True
