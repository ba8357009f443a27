"""One page of a batch of resets: everybody on it is looked at, or reset, and what became of them is written down.

A page that is turned again after a kill resets nobody twice: who has been reset has nothing left to take back.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from perennial.contracts.workflows import BatchTurned
from perennial.db.models import BatchReset, BatchResetItem, Subscription
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine
from perennial.support.audit import Who, audited
from perennial.support.batch import Item, Outcome, look, set_back
from perennial.support.batch_resets import AT_WORK, PENDING, Status, progress
from perennial.support.desk import in_temporal

PAGE = 25
# So many at the same time: renewals want the worker too.
WIDTH = 5


async def turn_page(engine: Engine, workflows: Sequence[type], batch_id: str) -> BatchTurned:
    """Everybody on the page has their turn; says how far the batch is then.

    Raises:
        NotFound: the batch is not written down, or not yet.
        EngineUnavailable: PostgreSQL or Temporal went away; who has had their turn is written down.
    """
    batch, page = await engine.read(lambda session: _page(session, batch_id))
    width = asyncio.Semaphore(WIDTH)

    async def take(subscription: str) -> None:
        async with width:
            if await engine.read(lambda session: _goes_on(session, batch)):
                item = await _turn_of(engine, workflows, batch, subscription)
                await engine.write(lambda session: _note(session, engine, batch, item))

    async def take_all(queue: Sequence[str]) -> None:
        for subscription in queue:
            await take(subscription)

    outcomes = await asyncio.gather(*(take_all(queue) for queue in page), return_exceptions=True)
    for failure in outcomes:
        if failure is not None:
            raise failure
    return await engine.write(lambda session: _turned(session, engine, batch_id))


def _page(session: Session, batch_id: str) -> tuple[BatchReset, list[list[str]]]:
    """Queues: those who share a test clock come one after the other, for it takes one along at a time."""
    batch = session.get(BatchReset, batch_id)
    if batch is None:
        raise NotFound("batch reset", batch_id)
    if batch.status not in AT_WORK:
        return batch, []
    item = BatchResetItem
    waiting = (
        select(item.subscription_id, func.coalesce(Subscription.test_clock_id, item.subscription_id))
        .outerjoin(Subscription, Subscription.id == item.subscription_id)
        .where(item.batch_id == batch_id, item.outcome.is_(None))
    )
    queues = defaultdict[str, list[str]](list)
    for subscription, shared in session.execute(waiting.order_by(item.subscription_id).limit(PAGE)):
        queues[shared].append(subscription)
    return batch, list(queues.values())


def _goes_on(session: Session, batch: BatchReset) -> bool:
    """Neither canceled nor halted meanwhile."""
    return session.scalar(select(BatchReset.status).where(BatchReset.id == batch.id)) == batch.status


async def _turn_of(engine: Engine, workflows: Sequence[type], batch: BatchReset, subscription: str) -> Item:
    if batch.status == Status.LOOKING:
        return await look(engine, workflows, subscription, batch.build)

    async def work(number: int) -> Item:
        return await set_back(engine, workflows, subscription, batch.build, why=in_temporal(number), name=batch.id)

    who = Who(batch.actor or "", batch.reason or "")
    return await audited(
        engine, who, "reset", subscription, work, lambda item: f"{item.outcome} by {batch.id}: {item.to or item.words}"
    )


def _note(session: Session, engine: Engine, batch: BatchReset, item: Item) -> None:
    mine = BatchResetItem.batch_id == batch.id, BatchResetItem.subscription_id == item.subscription
    noted = update(BatchResetItem).where(*mine)
    session.execute(noted.values(outcome=item.outcome.value, to=item.to, words=item.words))
    if item.outcome is Outcome.DECIDED_AGAIN:
        over = update(BatchReset).where(BatchReset.id == batch.id, BatchReset.status == Status.RESETTING)
        session.execute(over.values(status=Status.HALTED.value, finished_at=engine.clock()))


def _turned(session: Session, engine: Engine, batch_id: str) -> BatchTurned:
    batch = session.get_one(BatchReset, batch_id, with_for_update=True)
    made = progress(session, batch)
    waiting = made.counts[PENDING]
    if made.is_at_work and not waiting:
        batch.status = Status.LOOKED if batch.status == Status.LOOKING else Status.COMPLETED
        batch.finished_at = engine.clock()
    return BatchTurned(batch.status, made.total - waiting, made.total, made.is_at_work)
