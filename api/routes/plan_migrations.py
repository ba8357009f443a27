"""Moving the subscribers of a plan to another version: previewed, begun, watched, canceled."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing
from api.routing import GuardedRoute
from api.schemas.commands import Nothing
from api.schemas.plan_migrations import (
    CurrencyTotalOut,
    NewPlanMigration,
    PlanMigrationItemOut,
    PlanMigrationOut,
    PlanMigrationPreviewOut,
    PreviewedItemOut,
)
from api.security import REQUIRE_KEY
from perennial.db.models import PlanMigration
from perennial.engine import plan_migration_previews, plan_migrations, plan_moves
from perennial.engine.plan_migrations import ItemStatus, MigrationStatus, Progress
from perennial.ports import Page

router = APIRouter(
    prefix="/v1", tags=["catalogue"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("/plans/{code}/migrations", status_code=201, responses=WRITE)
async def migrate_plan(
    code: str, engine: EngineDep, names: NamesDep, body: NewPlanMigration | None = None
) -> PlanMigrationOut:
    """Everybody who is to be moved is written down and asked, one after the other; look at it to see how far it is."""
    begun = await plan_migrations.create(engine, _asked(code, body, names.id("mig")))
    return _out(await plan_migrations.get(engine, begun.id))


@router.post("/plans/{code}/migrations/preview", responses=WRITE)
async def preview_plan_migration(
    code: str, engine: EngineDep, place: PageDep, _: NamesDep, body: NewPlanMigration | None = None
) -> PlanMigrationPreviewOut:
    """Who would pay what, and who would be refused, a page at a time. Nothing happens."""
    wanted = _asked(code, body, None)
    told = await plan_migration_previews.preview(engine, wanted, after=place.after, limit=place.limit)
    page = place.listing(Page(told.items, told.next))
    return PlanMigrationPreviewOut(
        plan=told.plan,
        to_version=told.to_version,
        from_versions=list(told.from_versions),
        effective_at=told.effective_at,
        count=told.count,
        totals=[CurrencyTotalOut.model_validate(total) for total in told.totals],
        data=[PreviewedItemOut.model_validate(item) for item in page.data],
        next_cursor=page.next_cursor,
    )


@router.get("/plan-migrations")
async def list_plan_migrations(
    engine: EngineDep, place: PageDep, plan: Filter = None, status: MigrationStatus | None = None
) -> Listing[PlanMigrationOut]:
    """All migrations, or those of a plan."""
    return await listing(engine, PlanMigration, place, _shown, plan_code=plan, status=status)


@router.get("/plan-migrations/{migration_id}")
async def get_plan_migration(migration_id: str, engine: EngineDep) -> PlanMigrationOut:
    """How far it is."""
    return _out(await plan_migrations.get(engine, migration_id))


@router.get("/plan-migrations/{migration_id}/items")
async def list_plan_migration_items(
    migration_id: str, engine: EngineDep, place: PageDep, status: ItemStatus | None = None
) -> Listing[PlanMigrationItemOut]:
    """Each subscription of it, in the order of their ids, with what it answered."""
    page = await plan_migrations.items(engine, migration_id, status=status, after=place.after, limit=place.limit)
    return place.listing(Page(tuple(PlanMigrationItemOut.model_validate(item) for item in page.items), page.next))


@router.post("/plan-migrations/{migration_id}/cancel", responses=WRITE)
async def cancel_plan_migration(
    migration_id: str, engine: EngineDep, _: NamesDep, _body: Nothing | None = None
) -> PlanMigrationOut:
    """Who has not been asked yet stays; what has been done or scheduled stands.

    Whoever has taken the command in (`pending`, code `command_pending`) carries it out: that answer is waited for.
    """
    return _out(await plan_migrations.cancel(engine, migration_id))


def _asked(code: str, body: NewPlanMigration | None, migration_id: str | None) -> plan_moves.NewPlanMigration:
    body = body or NewPlanMigration()
    return plan_moves.NewPlanMigration(
        plan=code,
        to_version=body.to_version,
        from_versions=None if body.from_versions is None else tuple(body.from_versions),
        currency=body.currency,
        when=body.when,
        proration=body.proration,
        effective_at=body.effective_at,
        id=migration_id,
    )


def _shown(session: Session, rows: Sequence[PlanMigration]) -> list[PlanMigrationOut]:
    return [_out(plan_migrations.progress(session, row)) for row in rows]


def _out(progress: Progress) -> PlanMigrationOut:
    row = progress.migration
    same = ("id", "to_version", "from_versions", "currency", "when", "proration", "status")
    times = ("effective_at", "created_at", "finished_at")
    return PlanMigrationOut(
        plan=row.plan_code, counts=progress.counts, **{name: getattr(row, name) for name in (*same, *times)}
    )
