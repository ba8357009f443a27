"""Resetting many: what a build has decided, or what a query finds; looked at first, then let go with a reason."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.deps import EngineDep
from api.web.dashboard.acting import who
from api.web.dashboard.guard import PATH, DashboardRoute, FormDep, SessionDep, go, page
from api.web.dashboard.start import Id
from perennial.db.models import BatchReset
from perennial.engine import pages
from perennial.support import batch_resets
from perennial.support.batch import Meant, Outcome

router = APIRouter(prefix=PATH + "/batch-resets", include_in_schema=False, route_class=DashboardRoute)

Cursor = Annotated[str | None, Query(max_length=256)]
_LONGEST_QUERY = 2000


@router.get("")
async def show_batches(request: Request, engine: EngineDep, cursor: Cursor = None) -> Response:
    """The form, and those there were."""
    found = await pages.page(engine, BatchReset, after=cursor, limit=20)
    return page(request, "batches.html", title="Reset many", batches=found.items, following=found.next)


@router.post("")
async def look(request: Request, engine: EngineDep, form: FormDep) -> Response:
    """Looks at what would be done to whom. Nothing is done yet."""
    build, query = form.get("build", "").strip()[:255], form.get("query", "").strip()[:_LONGEST_QUERY]
    begun = await batch_resets.create(engine, Meant(build or None, query or None))
    return go(request, f"/batch-resets/{begun.batch.id}")


@router.get("/{batch}")
async def show_batch(
    batch: Id,
    request: Request,
    engine: EngineDep,
    outcome: Outcome | None = None,
    cursor: Cursor = None,
    *,
    stop: bool = False,
) -> Response:
    """How far it is. While it is at work the page comes again by itself, unless a reason to `stop` it is written."""
    made = await batch_resets.get(engine, batch)
    items = await batch_resets.items(engine, batch, outcome=outcome, after=cursor, limit=100)
    return page(
        request,
        "batch.html",
        title=f"Batch {batch}",
        made=made,
        batch=made.batch,
        items=items.items,
        following=items.next,
        outcome=outcome,
        stopping=stop,
    )


@router.post("/{batch}/go")
async def let_go(batch: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Resets those that would be, or goes on after a halt."""
    await batch_resets.let_go(engine, batch, who(session, form))
    return go(request, f"/batch-resets/{batch}")


@router.post("/{batch}/cancel")
async def cancel(batch: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Nobody else is reset."""
    await batch_resets.cancel(engine, batch, who(session, form))
    return go(request, f"/batch-resets/{batch}")
