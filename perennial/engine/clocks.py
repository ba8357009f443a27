"""Test clocks: all subscriptions, gifts and one-off invoices of a clock move together, a step at a time.

A step ends at the next due instant of the workflow, and the next one begins when it has acted: a fast-forward that
is longer can jump over timers when a message arrives (see docs/architecture.md).
"""

import asyncio
import time
from collections.abc import AsyncIterator
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
from perennial.domain.errors import ClockAdvancing, ClockBackwards, EngineUnavailable, InvalidInput, NotFound
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
# How long a server that restarts, or a workflow whose worker was killed, is asked again before the caller is told.
_OUTAGE_SECONDS = 20.0
LONGEST_STEP = timedelta(days=366 * 20)


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

    An advance that was interrupted is finished by the next one.

    Raises:
        ClockAdvancing: another call is moving it.
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
        await _move_all(engine, clock_id, target)
        return await engine.write(lambda session: _arrive(session, clock_id, target))


async def take_along(engine: Engine, clock_id: str, workflow_id: str) -> None:
    """One workflow to where its clock stands, and nobody else: the others may stand still for reasons of their own.

    Raises:
        ClockAdvancing: the clock moves, and will take it along.
    """
    async with _held(engine, clock_id):
        clock = await get(engine, clock_id)
        await _move(engine, workflow_id, clock.now, asyncio.Semaphore())


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


async def _move_all(engine: Engine, clock_id: str, target: datetime) -> None:
    """Until nothing new has appeared: a gift that is due may have brought a subscription into being."""
    arrived: set[str] = set()
    width = asyncio.Semaphore(WIDTH)
    while waiting := (await engine.read(lambda session: _living(session, clock_id))) - arrived:
        async with asyncio.TaskGroup() as group:
            for workflow_id in sorted(waiting):
                group.create_task(_move(engine, workflow_id, target, width))
        arrived |= waiting


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


async def _move(engine: Engine, workflow_id: str, target: datetime, width: asyncio.Semaphore) -> None:
    """Step from due instant to due instant until the next one lies beyond the target.

    One workflow that does not answer, because its worker was killed, must not take the others back to their start.
    """
    pace = _Pace()
    async with width:
        while True:
            try:
                if await _step(engine, workflow_id, target, pace):
                    return
            except EngineUnavailable:
                if not pace.is_patient():
                    raise
                await asyncio.sleep(_LONGEST_POLL_SECONDS)
            else:
                pace.silent_since = None


async def _step(engine: Engine, workflow_id: str, target: datetime, pace: _Pace) -> bool:
    """True when it has arrived or ended."""
    progress = await _progress(engine, workflow_id)
    if progress is None or (progress.ended and not progress.busy):
        return True
    if progress.busy:  # also one that has ended may still be writing it down
        if await pace.rest() and not await _is_running(engine, workflow_id):
            await _repair(engine, workflow_id)
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
    """Where the workflow stands; None when it has ended. One that is missing while its row lives is repaired."""
    handle = engine.temporal.get_workflow_handle(workflow_id)
    try:
        return await temporal_call(handle.query("progress", result_type=Progress, rpc_timeout=RPC_TIMEOUT))
    except WorkflowQueryFailedError:
        return Progress(busy=True, wake_at=None, ended=False)
    except RPCError as error:
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


async def _is_running(engine: Engine, workflow_id: str) -> bool:
    """One that was terminated in the middle of a step says that it is busy for ever."""
    description = await temporal_call(engine.temporal.get_workflow_handle(workflow_id).describe())
    return description.status is WorkflowExecutionStatus.RUNNING


async def _repair(engine: Engine, workflow_id: str) -> bool:
    """Start the workflow again if its subscription, gift or one-off invoice lives."""
    row = await engine.read(lambda session: session.get(Subscription, workflow_id))
    if row is None:
        return await gifts.repair(engine, workflow_id) or await one_off.repair(engine, workflow_id)
    if row.ended_at:
        return False
    await runs.repair(engine, row)
    return True
