"""Customers."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.customers import CustomerChange, CustomerOut, EvidenceOut, NewCustomer, fields_of
from api.security import REQUIRE_KEY
from perennial.db.models import Customer, LocationEvidence
from perennial.engine import customers

router = APIRouter(
    prefix="/v1/customers", tags=["customers"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def create_customer(body: NewCustomer, engine: EngineDep, names: NamesDep) -> CustomerOut:
    """A customer has a name, an address for mails, and the time zone that subscriptions begin with.

    Address, company and VAT number decide on tax and stand on documents; `locale` is what documents are written in.
    """
    made = await customers.create(engine, id=names.id("cus"), **fields_of(body))
    return CustomerOut.model_validate(made)


@router.get("")
async def list_customers(
    engine: EngineDep, place: PageDep, email: Annotated[str | None, Query(max_length=254, pattern=r"^[^\x00]*$")] = None
) -> Listing[CustomerOut]:
    """All customers, or those with this mail address."""
    return await listing(engine, Customer, place, plainly(CustomerOut), email=email)


@router.get("/{customer_id}")
async def get_customer(customer_id: str, engine: EngineDep) -> CustomerOut:
    """One customer."""
    return CustomerOut.model_validate(await customers.get(engine, customer_id))


@router.patch("/{customer_id}", responses=WRITE)
async def update_customer(customer_id: str, body: CustomerChange, engine: EngineDep) -> CustomerOut:
    """Changes what is named and leaves the rest; null clears what a customer need not have."""
    return CustomerOut.model_validate(await customers.change(engine, customer_id, **fields_of(body)))


@router.get("/{customer_id}/location-evidence")
async def list_location_evidence(customer_id: str, engine: EngineDep, place: PageDep) -> Listing[EvidenceOut]:
    """What says where this customer is, as tax offices want it kept. The newest of each kind goes on documents."""
    await customers.get(engine, customer_id)
    return await listing(engine, LocationEvidence, place, plainly(EvidenceOut), customer_id=customer_id)
