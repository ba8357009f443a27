"""Plans. A plan's versions are added, never changed."""

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.plan_versions import new_version
from api.queries import listing, plan_out, plans_of, versions_of
from api.routing import GuardedRoute
from api.schemas.commands import Nothing
from api.schemas.plans import NewPlan, PlanOut
from api.security import REQUIRE_KEY
from perennial.db.models import Plan, PlanVersion
from perennial.engine import plans
from perennial.engine.context import Engine

router = APIRouter(
    prefix="/v1", tags=["catalogue"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("/plans", status_code=201, responses=WRITE)
async def create_plan(body: NewPlan, engine: EngineDep, _: NamesDep) -> PlanOut:
    """A new plan, or the next version of one. What equals the newest version is that version."""
    await new_version(engine, body)
    return await _plan(engine, body.code)


@router.get("/plans")
async def list_plans(engine: EngineDep, place: PageDep) -> Listing[PlanOut]:
    """Every plan in its newest version, archived ones too."""
    return await listing(engine, Plan, place, plans_of)


@router.get("/plans/{code}")
async def get_plan(code: str, engine: EngineDep) -> PlanOut:
    """The newest version."""
    return await _plan(engine, code)


@router.get("/plans/{code}/versions")
async def list_plan_versions(code: str, engine: EngineDep, place: PageDep) -> Listing[PlanOut]:
    """Every version of a plan. Who has subscribed keeps the one they have until they change, or are migrated."""
    await plans.get(engine, code)
    return await listing(engine, PlanVersion, place, versions_of, plan_code=code)


@router.post("/plans/{code}/archive", responses=WRITE)
async def archive_plan(code: str, engine: EngineDep, _: NamesDep, _body: Nothing | None = None) -> PlanOut:
    """No new subscribers; those it has stay."""
    await plans.archive(engine, code)
    return await _plan(engine, code)


async def _plan(engine: Engine, code: str) -> PlanOut:
    def load(session: Session) -> PlanOut:
        version = plans.require(session, code)
        return plan_out(version, session.get_one(Plan, code))

    return await engine.read(load)
