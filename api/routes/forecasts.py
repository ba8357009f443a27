"""The invoices to come, as it is or if something were changed."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.commands import maker
from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.previews import line_out, tax_out
from api.routing import GuardedRoute
from api.schemas.subscriptions import DiscountOut, SubscriptionOut
from api.schemas.support import ForecastOut, UpcomingOut, WhatIf
from api.security import REQUIRE_KEY
from perennial.engine.forecasts import COUNT, MOST, Forecast, Upcoming, forecast

router = APIRouter(
    prefix="/v1/subscriptions/{subscription_id}",
    tags=["subscriptions"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


@router.get("/upcoming-invoices", responses=WRITE)
async def list_upcoming_invoices(
    subscription_id: str,
    engine: EngineDep,
    count: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = COUNT,
) -> ForecastOut:
    """The next invoices if nothing is changed, with taxes, coupons and credit. The first is what a preview says."""
    return _out(await forecast(engine, subscription_id, count=count))


@router.post("/what-if", responses=WRITE)
async def what_if(subscription_id: str, body: WhatIf, engine: EngineDep, names: NamesDep) -> ForecastOut:
    """The next invoices if these commands were sent now. Nothing is done."""
    changes = [maker(engine, each.command, each, names.request_id) for each in body.changes]
    return _out(await forecast(engine, subscription_id, changes, body.count))


def _out(found: Forecast) -> ForecastOut:
    return ForecastOut(
        effective_at=found.effective_at,
        currency=found.currency,
        invoices=[_invoice(each) for each in found.invoices],
        subscription=SubscriptionOut.model_validate(found.view),
        notes=list(found.notes),
    )


def _invoice(each: Upcoming) -> UpcomingOut:
    same = ("at", "reason", "period_no", "period_start", "period_end", "currency", "subtotal", "discount", "tax")
    more = ("total", "credit_applied", "amount_due", "usage_open")
    return UpcomingOut(
        lines=[line_out(line) for line in each.lines],
        taxes=[tax_out(tax) for tax in each.taxes],
        discounts=[DiscountOut.model_validate(discount) for discount in each.discounts],
        **{name: getattr(each, name) for name in (*same, *more)},
    )
