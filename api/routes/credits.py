"""A customer's credit: grants and what is left of them."""

from collections import defaultdict
from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Listing, PageDep
from api.queries import listing
from api.routing import GuardedRoute
from api.schemas.credits import BalanceOut, CreditGrantOut, CreditUseOut, NewCreditGrant
from api.security import REQUIRE_KEY
from perennial.db.models import CreditGrant, CreditUse
from perennial.engine import credits, customers
from perennial.engine.credits import NewGrant

router = APIRouter(
    prefix="/v1/customers/{customer_id}",
    tags=["customers"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


@router.post("/credits", status_code=201, responses=WRITE)
async def grant_credit(customer_id: str, body: NewCreditGrant, engine: EngineDep, names: NamesDep) -> CreditGrantOut:
    """Credit for nothing in return. The customer's next invoices of that currency use it, after tax."""
    new = NewGrant(customer_id=customer_id, request_id=names.request_id, **body.model_dump())
    given = await credits.grant(engine, new)
    return (await engine.read(lambda session: _outs(session, [given])))[0]


@router.get("/credits")
async def list_credits(customer_id: str, engine: EngineDep, place: PageDep) -> Listing[CreditGrantOut]:
    """What the customer was ever given, and which invoices used it."""
    await customers.get(engine, customer_id)
    return await listing(engine, CreditGrant, place, _outs, customer_id=customer_id)


@router.get("/balance")
async def get_balance(customer_id: str, engine: EngineDep) -> BalanceOut:
    """What the next invoices could use, by currency."""
    return BalanceOut.model_validate(await credits.balance(engine, customer_id))


def _outs(session: Session, rows: Sequence[CreditGrant]) -> list[CreditGrantOut]:
    uses: dict[str, list[CreditUseOut]] = defaultdict(list)
    wanted = select(CreditUse).where(CreditUse.grant_id.in_([row.id for row in rows])).order_by(CreditUse.id)
    for use in session.scalars(wanted):
        uses[use.grant_id].append(CreditUseOut.model_validate(use))
    names = [name for name in CreditGrantOut.model_fields if name != "uses"]
    return [CreditGrantOut(**{name: getattr(row, name) for name in names}, uses=uses[row.id]) for row in rows]
