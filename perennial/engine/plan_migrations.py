"""Moving the subscribers of a plan to another version: begun, watched, canceled.

The workflow `workflows.plan_migration` goes through them, a page at a time (`perennial.engine.plan_migration_pages`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, insert, literal, select, update
from sqlalchemy.orm import Session

from perennial.contracts.workflows import PLAN_MIGRATION, PlanMigrationInput
from perennial.db.models import Plan, PlanMigration, PlanMigrationItem, Subscription
from perennial.domain.errors import Conflict, NotFound
from perennial.engine.context import Engine, from_thread, start_workflow
from perennial.engine.ids import new_id
from perennial.engine.plan_moves import NewPlanMigration, resolve
from perennial.engine.runs import CommandPending
from perennial.ports import Page


class MigrationStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELED = "canceled"


class ItemStatus(StrEnum):
    """`failed` is a defect of ours; `canceled` went with the migration, before anybody was asked."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    MIGRATED = "migrated"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Progress:
    """A migration and how many of its subscriptions stand where. Who was scheduled and has moved counts as migrated."""

    migration: PlanMigration
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Item:
    """`code` and `message` say why a subscription was refused, or how asking it failed."""

    subscription_id: str
    status: str
    code: str | None
    message: str | None


async def create(engine: Engine, new: NewPlanMigration) -> PlanMigration:
    """Everybody who is to be moved is written down now, and asked one after the other.

    Raises:
        NotFound, InvalidInput: the plan, or one of the versions.
        Conflict: a migration of this plan is running.
        EngineUnavailable: nothing has been written.
    """
    loop = asyncio.get_running_loop()
    migration_id = new.id or new_id("mig")

    def begin(session: Session) -> PlanMigration:
        if found := session.get(PlanMigration, migration_id):
            return found
        now = engine.clock()
        move = resolve(session, new, now)
        session.get_one(Plan, move.plan, with_for_update=True)
        running = select(PlanMigration.id).where(
            PlanMigration.plan_code == move.plan, PlanMigration.status == MigrationStatus.RUNNING
        )
        if other := session.scalar(running):
            raise Conflict(other, f"plan {move.plan!r} is being migrated")
        migration = PlanMigration(
            id=migration_id,
            plan_code=move.plan,
            to_version=move.to_version,
            from_versions=list(move.from_versions),
            currency=move.currency,
            when=move.when.value,
            proration=move.proration.value if move.proration else None,
            status=MigrationStatus.RUNNING,
            effective_at=move.effective_at,
            created_at=now,
        )
        session.add(migration)
        session.flush()
        subjects = move.subjects().add_columns(literal(migration_id), literal(ItemStatus.PENDING.value))
        columns = ("subscription_id", "migration_id", "status")
        session.execute(insert(PlanMigrationItem).from_select(columns, subjects))
        from_thread(loop, _start(engine, migration))
        return migration

    return await engine.write(begin)


async def _start(engine: Engine, migration: PlanMigration) -> None:
    summary = f"plan {migration.plan_code}: everybody to version {migration.to_version}"
    await start_workflow(engine, PLAN_MIGRATION, PlanMigrationInput(migration.id), migration.id, summary)


async def repair(engine: Engine, migration_id: str) -> bool:
    """Start the workflow of a migration that runs, or is canceled and waits for an answer, if it is missing; False if
    there is no such migration.
    """
    migration = await engine.read(lambda session: _live(session, migration_id))
    if migration is None:
        return False
    await _start(engine, migration)
    return True


def _live(session: Session, migration_id: str) -> PlanMigration | None:
    item, row = PlanMigrationItem, PlanMigration
    waits = exists().where(item.migration_id == row.id, item.status == ItemStatus.PENDING)
    return session.scalar(select(row).where(row.id == migration_id, (row.status == MigrationStatus.RUNNING) | waits))


async def get(engine: Engine, migration_id: str) -> Progress:
    return await engine.read(lambda session: progress(session, _require(session, migration_id)))


def progress(session: Session, migration: PlanMigration) -> Progress:
    status = _status(migration).label("status")
    found = session.execute(_items(migration).with_only_columns(status, func.count()).group_by(status))
    return Progress(migration, dict.fromkeys(ItemStatus, 0) | {row[0]: row[1] for row in found})


async def items(
    engine: Engine, migration_id: str, *, status: str | None = None, after: str | None = None, limit: int = 20
) -> Page[Item]:
    """In the order of the subscriptions' ids; the next page begins `after` the last one of this."""

    def load(session: Session) -> Page[Item]:
        migration = _require(session, migration_id)
        stands = _status(migration)
        item = PlanMigrationItem
        wanted = _items(migration).with_only_columns(item.subscription_id, stands, item.code, item.message)
        if status is not None:
            wanted = wanted.where(stands == status)
        if after is not None:
            wanted = wanted.where(item.subscription_id > after)
        found = [Item(*row) for row in session.execute(wanted.order_by(item.subscription_id).limit(limit + 1))]
        return Page(tuple(found[:limit]), found[limit - 1].subscription_id if len(found) > limit else None)

    return await engine.read(load)


def _items(migration: PlanMigration) -> Select[PlanMigrationItem]:
    joined = select(PlanMigrationItem).outerjoin(Subscription, Subscription.id == PlanMigrationItem.subscription_id)
    return joined.where(PlanMigrationItem.migration_id == migration.id)


def _status(migration: PlanMigration) -> ColumnElement[str]:
    """A scheduled change is carried out by the subscription alone, later: its row says when it has been."""
    moved = and_(
        PlanMigrationItem.status == ItemStatus.SCHEDULED,
        Subscription.plan_code == migration.plan_code,
        Subscription.plan_version == migration.to_version,
    )
    return case((moved, literal(ItemStatus.MIGRATED.value)), else_=PlanMigrationItem.status)


async def cancel(engine: Engine, migration_id: str) -> Progress:
    """Who has not been asked yet stays; what has been done or scheduled stands, and whoever has taken the command in is
    waited for.

    Raises:
        Conflict: it is completed.
    """

    def stop(session: Session) -> Progress:
        migration = _require(session, migration_id, lock=True)
        if migration.status == MigrationStatus.COMPLETED:
            raise Conflict(migration_id, "the migration is completed")
        if migration.status == MigrationStatus.RUNNING:
            migration.status, migration.finished_at = MigrationStatus.CANCELED, engine.clock()
            item = PlanMigrationItem
            has_it = item.code.is_not_distinct_from(CommandPending.code)
            waiting = item.migration_id == migration_id, item.status == ItemStatus.PENDING, ~has_it
            session.execute(update(item).where(*waiting).values(status=ItemStatus.CANCELED.value))
        return progress(session, migration)

    return await engine.write(stop)


def _require(session: Session, migration_id: str, *, lock: bool = False) -> PlanMigration:
    migration = session.get(PlanMigration, migration_id, with_for_update=lock or None)
    if migration is None:
        raise NotFound("plan migration", migration_id)
    return migration
