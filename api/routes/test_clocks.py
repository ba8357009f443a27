"""Test clocks: the time that chosen subscriptions live in."""

from datetime import datetime, timedelta

from dateutil.relativedelta import relativedelta
from fastapi import APIRouter

from api.deps import EngineDep, NamesDep
from api.errors import invalid
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.clocks import Advance, Duration, NewTestClock, TestClockOut
from api.security import REQUIRE_KEY
from perennial.db.models import TestClock
from perennial.engine import clocks
from perennial.engine.context import Engine

router = APIRouter(
    prefix="/v1/test-clocks", tags=["test clocks"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def create_test_clock(body: NewTestClock, engine: EngineDep, names: NamesDep) -> TestClockOut:
    """Stands at `now`, any instant, until it is moved."""
    clock = await clocks.create(engine, name=body.name, now=body.now, id=names.id("clk"))
    return TestClockOut.model_validate(clock)


@router.get("")
async def list_test_clocks(engine: EngineDep, place: PageDep) -> Listing[TestClockOut]:
    """Every clock."""
    return await listing(engine, TestClock, place, plainly(TestClockOut))


@router.get("/{test_clock_id}")
async def get_test_clock(test_clock_id: str, engine: EngineDep) -> TestClockOut:
    """One clock."""
    return TestClockOut.model_validate(await clocks.get(engine, test_clock_id))


@router.post("/{test_clock_id}/advance", responses=WRITE)
async def advance_test_clock(test_clock_id: str, body: Advance, engine: EngineDep, _: NamesDep) -> TestClockOut:
    """Moves it forward; answers when everything that lives on it has arrived."""
    to = body.to or await _target(engine, test_clock_id, body.by or Duration())
    return TestClockOut.model_validate(await clocks.advance(engine, test_clock_id, to=to))


async def _target(engine: Engine, clock_id: str, by: Duration) -> datetime:
    try:
        start = (await clocks.get(engine, clock_id)).now
        months = relativedelta(years=by.years, months=by.months)
        exact = timedelta(weeks=by.weeks, days=by.days, hours=by.hours, minutes=by.minutes, seconds=by.seconds)
        return start + months + exact
    except (ValueError, OverflowError) as error:
        raise invalid("by", "is longer than a clock moves") from error
