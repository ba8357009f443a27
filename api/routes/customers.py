"""Customers."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.customers import CustomerChange, CustomerOut, NewCustomer
from api.security import REQUIRE_KEY
from perennial.db.models import Customer
from perennial.engine import customers

router = APIRouter(
    prefix="/v1/customers", tags=["customers"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.post("", status_code=201, responses=WRITE)
async def create_customer(body: NewCustomer, engine: EngineDep, names: NamesDep) -> CustomerOut:
    """A customer has a name, an address for mails, and the time zone that subscriptions begin with."""
    customer = await customers.create(
        engine, name=body.name, email=body.email, timezone=body.timezone, id=names.id("cus")
    )
    return CustomerOut.model_validate(customer)


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
    """Changes what is named and leaves the rest."""

    def change(session: Session) -> Customer:
        customer = customers.require(session, customer_id, lock=True)
        for name, value in body.model_dump(exclude_none=True).items():
            setattr(customer, name, value)
        return customer

    return CustomerOut.model_validate(await engine.write(change))
