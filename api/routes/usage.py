"""Usage: events as they come, and what they have come to. Entitlements: what is left."""

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import null

from api.deps import EngineDep, NamesDep
from api.errors import invalid
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, plainly
from api.routing import GuardedRoute
from api.schemas.entitlements import EntitlementOut, EntitlementsOut
from api.schemas.usage import (
    ChargeUsageOut,
    IngestedOut,
    NewUsageEvents,
    UsageBody,
    UsageEventOut,
    UsageOut,
)
from api.security import REQUIRE_KEY
from perennial.db.models import UsageEvent
from perennial.db.repositories.usage import Rated
from perennial.domain.usage import WrongEvents
from perennial.engine import entitlements, usage

router = APIRouter(prefix="/v1", tags=["usage"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ)


@router.post("/usage-events", status_code=201, responses=WRITE)
async def send_usage_events(body: UsageBody, engine: EngineDep, _: NamesDep) -> IngestedOut:
    """One event, or up to a thousand: all or none. Their ids make repetitions harmless, without an Idempotency-Key."""
    if isinstance(body, NewUsageEvents):
        return IngestedOut.model_validate(await usage.ingest(engine, [event.event() for event in body.events]))
    try:
        return IngestedOut.model_validate(await usage.ingest(engine, [body.event()]))
    except WrongEvents as error:
        raise WrongEvents([(field.removeprefix("events[0]."), message) for field, message in error.wrong]) from error


@router.get("/usage-events")
async def list_usage_events(
    engine: EngineDep, place: PageDep, subscription_id: Filter = None, customer_id: Filter = None
) -> Listing[UsageEventOut]:
    """Events of a subscription; with `customer_id` those of the customer that belong to no subscription."""
    if (subscription_id is None) == (customer_id is None):
        raise invalid("subscription_id", "give either a subscription or a customer")
    return await listing(
        engine,
        UsageEvent,
        place,
        plainly(UsageEventOut),
        subscription_id=null() if subscription_id is None else subscription_id,
        customer_id=customer_id,
    )


@router.get("/subscriptions/{subscription_id}/usage")
async def get_subscription_usage(subscription_id: str, engine: EngineDep) -> UsageOut:
    """What has been used since the last bill, by charge, and what it would cost now."""
    found = await usage.summary(engine, subscription_id)
    return UsageOut(
        subscription_id=found.subscription_id,
        currency=found.currency,
        as_of=found.as_of,
        charges=_charges(found.charges, found.as_of),
        late=_charges([each.more for each in found.late], found.as_of),
    )


@router.get("/customers/{customer_id}/entitlements")
async def get_entitlements(customer_id: str, engine: EngineDep) -> EntitlementsOut:
    """What the customer may do now. Quick enough to be asked at every turn: one statement."""
    found = await entitlements.of_customer(engine, customer_id)
    return EntitlementsOut(customer_id=customer_id, data=[EntitlementOut.model_validate(each) for each in found])


def _charges(found: Sequence[Rated], as_of: datetime) -> list[ChargeUsageOut]:
    return [
        ChargeUsageOut(
            code=each.charge.code,
            name=each.charge.name,
            meter=each.charge.meter,
            start=each.period.start,
            end=min(each.period.end, as_of),
            quantity=each.quantity,
            amount=each.amount,
        )
        for each in found
    ]
