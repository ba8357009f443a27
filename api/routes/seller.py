"""The seller: one for each database."""

from fastapi import APIRouter

from api.deps import EngineDep
from api.openapi import READ, WRITE
from api.routing import GuardedRoute
from api.schemas.seller import SellerIn, SellerOut
from api.security import REQUIRE_KEY
from perennial.engine import seller

router = APIRouter(
    prefix="/v1/seller", tags=["seller"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.get("")
async def get_seller(engine: EngineDep) -> SellerOut:
    """What stands on documents, where tax is collected, how documents are numbered."""
    return SellerOut.of(await seller.get(engine))


@router.put("", responses=WRITE)
async def put_seller(body: SellerIn, engine: EngineDep) -> SellerOut:
    """Replaces all of it. A prefix that the other kind of document has used is refused (409)."""
    return SellerOut.of(await seller.put(engine, body.profile()))
