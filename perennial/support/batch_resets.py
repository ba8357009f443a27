"""Resetting many: looked at, let go, watched, canceled.

The workflow `workflows.batch_reset` goes through them, a page at a time (`perennial.support.batch_pages`). It is first
looked at what would be done; then somebody lets it go, with a reason. Each reset is an action of support of its own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from perennial.contracts.workflows import BATCH_RESET, BatchResetInput
from perennial.db.models import BatchReset, BatchResetItem
from perennial.domain.errors import Conflict, NotFound
from perennial.engine.context import Engine, from_thread, start_workflow
from perennial.engine.ids import new_id
from perennial.ports import Page
from perennial.support.audit import Who, audited
from perennial.support.batch import Item, Meant, Outcome, found

# What wakes a batch that has just been gone through once more (`workflows.batch_reset`).
GO_ON = "go_on"
ACTION = "batch_reset"


class Status(StrEnum):
    """`halted`: a build decides again what was reset, for it still works. Take it away and let the batch go on."""

    LOOKING = "looking"
    LOOKED = "looked"
    RESETTING = "resetting"
    COMPLETED = "completed"
    HALTED = "halted"
    CANCELED = "canceled"


AT_WORK = (Status.LOOKING, Status.RESETTING)
# What is done when it goes on: what was only looked at, and what a build has decided again.
_TO_DO = (Outcome.WOULD_RESET, Outcome.DECIDED_AGAIN)
# How those are counted whose turn has not come.
PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Progress:
    """`counts`: how many of its subscriptions have which outcome, `pending` among them."""

    batch: BatchReset
    counts: Mapping[str, int]

    @property
    def is_at_work(self) -> bool:
        return self.batch.status in AT_WORK

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def to_do(self) -> int:
        """How many would be reset if it were let go."""
        if self.batch.status not in (Status.LOOKED, Status.HALTED):
            return 0
        return sum(self.counts[outcome] for outcome in (*_TO_DO, PENDING))


async def create(engine: Engine, meant: Meant, who: Who | None = None, batch_id: str | None = None) -> Progress:
    """Those who are meant are written down now, and looked at one after the other; with `who`, reset at once.

    Raises:
        InvalidInput: Temporal does not understand the query.
        EngineUnavailable: nothing has been written.
    """
    name = batch_id or new_id("brs")
    ids = await found(engine, meant)
    loop = asyncio.get_running_loop()

    def begin(session: Session) -> Progress:
        known = session.get(BatchReset, name)
        if known is None:
            known = BatchReset(
                id=name,
                build=meant.build,
                query=meant.query,
                status=Status.RESETTING if who else Status.LOOKING,
                actor=who.actor if who else None,
                reason=who.reason.strip() if who else None,
                created_at=engine.clock(),
            )
            session.add(known)
            session.flush()
            if ids:
                session.execute(insert(BatchResetItem), [{"batch_id": name, "subscription_id": each} for each in ids])
            from_thread(loop, _start(engine, known))
        return progress(session, known)

    if who is None:
        return await engine.write(begin)
    return await audited(engine, who, ACTION, name, lambda _: engine.write(begin), _told)


async def let_go(engine: Engine, batch_id: str, who: Who) -> Progress:
    """Reset those who would be, by the look that was taken; or go on after a halt.

    Raises:
        NotFound.
        Conflict: it is at work or over, or would reset nothing.
        EngineUnavailable: nothing has been written.
    """
    loop = asyncio.get_running_loop()

    def begin(session: Session) -> Progress:
        batch = _require(session, batch_id, lock=True)
        if batch.status not in (Status.LOOKED, Status.HALTED):
            raise Conflict(batch_id, f"the batch is {batch.status}")
        if not progress(session, batch).to_do:
            raise Conflict(batch_id, "none of them would be reset")
        item = BatchResetItem
        again = update(item).where(item.batch_id == batch_id, item.outcome.in_([each.value for each in _TO_DO]))
        session.execute(again.values(outcome=None, to="", words=""))
        batch.status, batch.finished_at = Status.RESETTING, None
        batch.actor, batch.reason = who.actor, who.reason.strip()
        session.flush()
        from_thread(loop, _start(engine, batch))
        return progress(session, batch)

    return await audited(engine, who, ACTION, batch_id, lambda _: engine.write(begin), _told)


async def cancel(engine: Engine, batch_id: str, who: Who) -> Progress:
    """Nobody else is reset; what has been done stands.

    Raises:
        NotFound.
        Conflict: it is completed, or was canceled before.
    """

    def stop(session: Session) -> Progress:
        batch = _require(session, batch_id, lock=True)
        if batch.status in (Status.COMPLETED, Status.CANCELED):
            raise Conflict(batch_id, f"the batch is {batch.status}")
        batch.status, batch.finished_at = Status.CANCELED, engine.clock()
        return progress(session, batch)

    return await audited(engine, who, "cancel_batch_reset", batch_id, lambda _: engine.write(stop), _told)


async def get(engine: Engine, batch_id: str) -> Progress:
    return await engine.read(lambda session: progress(session, _require(session, batch_id)))


def progress(session: Session, batch: BatchReset) -> Progress:
    item = BatchResetItem
    counted = select(func.coalesce(item.outcome, PENDING), func.count()).where(item.batch_id == batch.id)
    counts = {row[0]: row[1] for row in session.execute(counted.group_by(item.outcome))}
    return Progress(batch, dict.fromkeys((PENDING, *Outcome), 0) | counts)


async def items(
    engine: Engine, batch_id: str, *, outcome: Outcome | None = None, after: str | None = None, limit: int = 20
) -> Page[Item]:
    """Those whose turn has come, in the order of their ids; the next page begins `after` the last one of this."""

    def load(session: Session) -> Page[Item]:
        _require(session, batch_id)
        item = BatchResetItem
        wanted = select(item).where(item.batch_id == batch_id, item.outcome.is_not(None))
        if outcome is not None:
            wanted = wanted.where(item.outcome == outcome.value)
        if after is not None:
            wanted = wanted.where(item.subscription_id > after)
        rows = session.scalars(wanted.order_by(item.subscription_id).limit(limit + 1)).all()
        read = tuple(Item(row.subscription_id, Outcome(row.outcome or ""), row.to, row.words) for row in rows[:limit])
        return Page(read, read[-1].subscription if len(rows) > limit else None)

    return await engine.read(load)


async def repair(engine: Engine, batch_id: str) -> bool:
    """Start the workflow of a batch that is at work, if it is missing; False if there is no such batch."""
    batch = await engine.read(lambda session: session.get(BatchReset, batch_id))
    if batch is None or batch.status not in AT_WORK:
        return False
    await _start(engine, batch)
    return True


async def _start(engine: Engine, batch: BatchReset) -> None:
    """One that is about to end, for it has just been gone through, hears the signal and goes on."""
    summary = f"resets: {f'what build {batch.build} decided' if batch.build else 'what a query found'}"
    await start_workflow(engine, BATCH_RESET, BatchResetInput(batch.id), batch.id, summary, signal=GO_ON)


def _told(done: Progress) -> str:
    return f"{done.batch.status}: {done.counts[PENDING]} of {done.total} to go"


def _require(session: Session, batch_id: str, *, lock: bool = False) -> BatchReset:
    batch = session.get(BatchReset, batch_id, with_for_update=lock or None)
    if batch is None:
        raise NotFound("batch reset", batch_id)
    return batch
