"""Meters: made, looked at, archived; never changed."""

from fastapi import APIRouter

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.commands import Nothing
from api.schemas.meters import MeterOut, NewMeter
from api.security import REQUIRE_KEY
from perennial.db.models import Meter
from perennial.engine import meters

router = APIRouter(
    prefix="/v1/meters", tags=["usage"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def create_meter(body: NewMeter, engine: EngineDep, _: NamesDep) -> MeterOut:
    """It counts all events of its name, also those that came before it. The same meter again is the one there is."""
    return MeterOut.model_validate(await meters.create(engine, body.terms()))


@router.get("")
async def list_meters(engine: EngineDep, place: PageDep) -> Listing[MeterOut]:
    """All meters, archived ones too."""
    return await listing(engine, Meter, place, plainly(MeterOut))


@router.get("/{code}")
async def get_meter(code: str, engine: EngineDep) -> MeterOut:
    """One meter."""
    return MeterOut.model_validate(await meters.get(engine, code))


@router.post("/{code}/archive", responses=WRITE)
async def archive_meter(code: str, engine: EngineDep, _: NamesDep, _body: Nothing | None = None) -> MeterOut:
    """No new plan can use it; those that do go on counting."""
    return MeterOut.model_validate(await meters.archive(engine, code))
