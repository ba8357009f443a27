"""Charges that cardholders contest: read here, decided by their banks."""

from fastapi import APIRouter

from api.deps import EngineDep
from api.openapi import READ
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, one, plainly
from api.routing import GuardedRoute
from api.schemas.documents import DisputeOut
from api.security import REQUIRE_KEY
from perennial.db.models import Dispute
from perennial.domain.disputes import DisputeStatus

router = APIRouter(
    prefix="/v1", tags=["documents"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.get("/disputes")
async def list_disputes(
    engine: EngineDep,
    place: PageDep,
    customer_id: Filter = None,
    invoice_id: Filter = None,
    status: DisputeStatus | None = None,
) -> Listing[DisputeOut]:
    """Of subscriptions, gifts and one-off invoices alike."""
    of = {"customer_id": customer_id, "invoice_id": invoice_id}
    return await listing(engine, Dispute, place, plainly(DisputeOut), status=status, **of)


@router.get("/disputes/{dispute_id}")
async def get_dispute(dispute_id: str, engine: EngineDep) -> DisputeOut:
    """One dispute."""
    return DisputeOut.model_validate(await one(engine, Dispute, "dispute", dispute_id))
