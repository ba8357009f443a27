"""What the reconciliation with the gateways and the scheduled checks have found."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import EngineDep
from api.openapi import READ
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, one, plainly
from api.routing import GuardedRoute
from api.schemas.findings import FindingOut, FindingStatus
from api.security import REQUIRE_KEY
from perennial.db.models import Finding

router = APIRouter(
    prefix="/v1/findings", tags=["findings"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)
# `gateway:stripe` has a colon.
Source = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_:-]*$")]


@router.get("")
async def list_findings(
    engine: EngineDep,
    place: PageDep,
    status: FindingStatus | None = None,
    source: Source = None,
    kind: Filter = None,
) -> Listing[FindingOut]:
    """All findings, or the open ones, of a source, of a kind."""
    return await listing(engine, Finding, place, plainly(FindingOut), status=status, source=source, kind=kind)


@router.get("/{finding_id}")
async def get_finding(finding_id: str, engine: EngineDep) -> FindingOut:
    """One finding."""
    return FindingOut.model_validate(await one(engine, Finding, "finding", finding_id))
