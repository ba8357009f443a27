"""Resetting many: looked at first, let go with a reason, watched, canceled."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing
from api.routes.support import ActorDep
from api.routing import GuardedRoute
from api.schemas.batch_resets import BatchResetItemOut, BatchResetOut, NewBatchReset
from api.schemas.support import Because
from api.security import REQUIRE_KEY
from perennial.db.models import BatchReset
from perennial.ports import Page
from perennial.support import batch_resets
from perennial.support.audit import Who
from perennial.support.batch import Meant, Outcome
from perennial.support.batch_resets import Progress, Status

router = APIRouter(
    prefix="/v1/support/batch-resets",
    tags=["support"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


@router.post("", status_code=201, responses=WRITE)
async def create_batch_reset(body: NewBatchReset, engine: EngineDep, names: NamesDep, actor: ActorDep) -> BatchResetOut:
    """Who is meant is written down, and looked at (or reset) one after the other; ask for it to see how far it is."""
    who = None if body.dry_run else Who(actor, body.reason or "")
    return _out(await batch_resets.create(engine, Meant(body.build, body.query), who, names.id("brs")))


@router.get("")
async def list_batch_resets(engine: EngineDep, place: PageDep, status: Status | None = None) -> Listing[BatchResetOut]:
    """All of them, newest first."""
    return await listing(engine, BatchReset, place, _shown, status=status)


@router.get("/{batch_id}")
async def get_batch_reset(batch_id: str, engine: EngineDep) -> BatchResetOut:
    """How far it is."""
    return _out(await batch_resets.get(engine, batch_id))


@router.get("/{batch_id}/items")
async def list_batch_reset_items(
    batch_id: str, engine: EngineDep, place: PageDep, outcome: Outcome | None = None
) -> Listing[BatchResetItemOut]:
    """Each subscription whose turn has come, in the order of their ids, with what became of it."""
    page = await batch_resets.items(engine, batch_id, outcome=outcome, after=place.after, limit=place.limit)
    return place.listing(Page(tuple(BatchResetItemOut.model_validate(item) for item in page.items), page.next))


@router.post("/{batch_id}/go", responses=WRITE)
async def let_batch_reset_go(
    batch_id: str, body: Because, engine: EngineDep, _: NamesDep, actor: ActorDep
) -> BatchResetOut:
    """Those who would be reset are reset; after a halt it goes on."""
    return _out(await batch_resets.let_go(engine, batch_id, Who(actor, body.reason)))


@router.post("/{batch_id}/cancel", responses=WRITE)
async def cancel_batch_reset(
    batch_id: str, body: Because, engine: EngineDep, _: NamesDep, actor: ActorDep
) -> BatchResetOut:
    """Nobody else is reset; what has been done stands."""
    return _out(await batch_resets.cancel(engine, batch_id, Who(actor, body.reason)))


def _shown(session: Session, rows: Sequence[BatchReset]) -> list[BatchResetOut]:
    return [_out(batch_resets.progress(session, row)) for row in rows]


def _out(made: Progress) -> BatchResetOut:
    row = made.batch
    same = ("id", "build", "query", "status", "actor", "reason", "created_at", "finished_at")
    return BatchResetOut(counts=made.counts, **{name: getattr(row, name) for name in same})
