"""Tax rates of the merchant's own, which come before the packaged ones of their place. They end; none is deleted."""

from decimal import Decimal

from fastapi import APIRouter

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.places import Country
from api.schemas.tax import NewTaxRate, TaxRateChange, TaxRateOut
from api.security import REQUIRE_KEY
from perennial.db.models import OwnTaxRate
from perennial.engine import tax

router = APIRouter(
    prefix="/v1/tax-rates", tags=["seller"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def create_tax_rate(body: NewTaxRate, engine: EngineDep, names: NamesDep) -> TaxRateOut:
    """A rate from a day on. Two of one place and name never hold on the same day (409)."""
    new = tax.NewRate(**body.model_dump() | {"percent": Decimal(body.percent), "id": names.id("txr")})
    return TaxRateOut.model_validate(await tax.add_rate(engine, new))


@router.get("")
async def list_tax_rates(engine: EngineDep, place: PageDep, country: Country | None = None) -> Listing[TaxRateOut]:
    """Every own rate, also those that have ended."""
    return await listing(engine, OwnTaxRate, place, plainly(TaxRateOut), country=country)


@router.get("/{rate_id}")
async def get_tax_rate(rate_id: str, engine: EngineDep) -> TaxRateOut:
    """One rate."""
    return TaxRateOut.model_validate(await tax.get_rate(engine, rate_id))


@router.patch("/{rate_id}", responses=WRITE)
async def update_tax_rate(rate_id: str, body: TaxRateChange, engine: EngineDep) -> TaxRateOut:
    """Ends a rate, or lets it go on. A percentage never changes: end the rate and add another."""
    return TaxRateOut.model_validate(await tax.close_rate(engine, rate_id, body.valid_to))
