"""One page of a plan migration: everybody on it is asked, and what they answered is written down.

Each subscription is sent one command under a request id of its own (`{migration}:{subscription}`), so a page that is
turned again after a kill changes nothing: who has been moved gives the first answer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from temporalio.service import RPCError

from perennial.db.models import PlanMigration, PlanMigrationItem
from perennial.db.repositories import records
from perennial.domain.errors import ClockAdvancing, CommandRefused, EngineUnavailable, InvalidInput, NotFound
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.commands import When
from perennial.engine import subscriptions
from perennial.engine.context import Engine
from perennial.engine.plan_migrations import ItemStatus, MigrationStatus
from perennial.engine.plan_moves import Move
from perennial.engine.runs import CommandPending

PAGE = 50
# So many are asked at the same time: renewals and other people's commands want the worker too.
WIDTH = 6


@dataclass(frozen=True, slots=True)
class _Answer:
    status: ItemStatus
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    """Who is asked; `code` says if it has been sent the command before."""

    subscription: str
    code: str | None


async def turn_page(engine: Engine, migration_id: str, heartbeat: Callable[[], None] = lambda: None) -> bool:
    """Whether more may be left. Whoever does not answer waits behind the others.

    Whoever may have taken the command in may carry it out, however much later: that answer is waited for also when the
    migration is canceled.

    Raises:
        NotFound: the migration is not written down, or not yet.
        EngineUnavailable: nobody on the page has answered: turn it again a little later.
    """
    page = await engine.write(lambda session: _begin(session, engine, migration_id))
    if page is None:
        return False
    move, subscriptions_of_page = page
    width = asyncio.Semaphore(WIDTH)

    async def ask(subscription: str) -> bool:
        async with width:
            item = await engine.write(lambda session: _sending(session, migration_id, subscription))
            if item is None:
                return True
            answer = await _move(engine, move, f"{migration_id}:{subscription}", item)
            await engine.write(lambda session: _note(session, migration_id, subscription, answer))
            heartbeat()
            return answer.status is not ItemStatus.PENDING

    answered = await asyncio.gather(*(ask(subscription) for subscription in subscriptions_of_page))
    if not any(answered):
        raise EngineUnavailable(f"none of {len(answered)} subscriptions answers")
    return True


def _begin(session: Session, engine: Engine, migration_id: str) -> tuple[Move, list[str]] | None:
    """The next subscriptions to be asked; None when the migration is over, which is then written down."""
    row = session.get(PlanMigration, migration_id)
    if row is None:
        raise NotFound("plan migration", migration_id)
    item = PlanMigrationItem
    waiting = select(item.subscription_id).where(item.migration_id == row.id, item.status == ItemStatus.PENDING)
    page = list(session.scalars(waiting.order_by(item.tries, item.subscription_id).limit(PAGE)))
    if not page:
        over = update(PlanMigration).where(PlanMigration.id == row.id, PlanMigration.status == MigrationStatus.RUNNING)
        session.execute(over.values(status=MigrationStatus.COMPLETED.value, finished_at=engine.clock()))
        return None
    return _move_of(row), page


def _sending(session: Session, migration_id: str, subscription: str) -> _Item | None:
    """None when the migration was canceled since the page was begun. Written down before it is sent: from here on
    nobody can say any more that it was not asked.
    """
    item = session.get_one(PlanMigrationItem, (migration_id, subscription), with_for_update=True)
    if item.status != ItemStatus.PENDING:
        return None
    before = _Item(subscription, item.code)
    item.code = CommandPending.code
    return before


def _move_of(row: PlanMigration) -> Move:
    return Move(
        plan=row.plan_code,
        to_version=row.to_version,
        from_versions=tuple(row.from_versions),
        currency=row.currency,
        when=When(row.when),
        proration=ProrationBasis(row.proration) if row.proration else None,
        effective_at=row.effective_at,
    )


async def _move(engine: Engine, move: Move, request_id: str, item: _Item) -> _Answer:
    """Pending when there is no answer: it is asked again under the same name.

    A command that nobody has answered waits in Temporal until a worker comes, so only the clock's word is a sure no.
    """
    done = _Answer(ItemStatus.MIGRATED if move.when is When.NOW else ItemStatus.SCHEDULED)
    subscription = item.subscription
    try:
        await subscriptions.command(engine, subscription, "change_plan", move.command(request_id))
    except ClockAdvancing:
        return _Answer(ItemStatus.PENDING, item.code)
    except (CommandPending, EngineUnavailable, RPCError):
        return _Answer(ItemStatus.PENDING, CommandPending.code)
    except (CommandRefused, InvalidInput) as refusal:
        if await engine.read(lambda session: _was_done(session, subscription, request_id)):
            return done  # it has ended since, and the first answer was lost with a process
        return _Answer(ItemStatus.REFUSED, refusal.code, refusal.message)
    except Exception as defect:  # noqa: BLE001 - one broken subscription must not hold the others up
        return _Answer(ItemStatus.FAILED, getattr(defect, "code", "internal_error"), type(defect).__name__)
    return done


def _was_done(session: Session, subscription: str, request_id: str) -> bool:
    return request_id in records.load_state(subscriptions.require(session, subscription).state).applied


def _note(session: Session, migration_id: str, subscription: str, answer: _Answer) -> None:
    """The first answer stays: an attempt at a page that was given up may end after the next one.

    Who was certainly not asked, and is not wanted any more, is canceled with the migration.
    """
    # Before the item, as whoever cancels takes them: that is awaited here, or waits.
    migration = session.get_one(PlanMigration, migration_id, with_for_update={"read": True})
    unasked = answer.status is ItemStatus.PENDING and answer.code is None
    if unasked and migration.status == MigrationStatus.CANCELED:
        answer = _Answer(ItemStatus.CANCELED)
    row = session.get_one(PlanMigrationItem, (migration_id, subscription), with_for_update=True)
    if row.status != ItemStatus.PENDING:
        return
    row.status, row.code, row.message = answer.status.value, answer.code, answer.message
    if answer.status is ItemStatus.PENDING:
        row.tries += 1
