"""Sessions of the checkout page."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body
from sqlalchemy.orm import Session

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.queries import listing
from api.routing import GuardedRoute
from api.schemas.checkout import (
    CheckoutSessionOut,
    InvoiceCheckout,
    NewCheckoutSession,
    SubscriptionCheckout,
)
from api.schemas.commands import Nothing
from api.schemas.subscriptions import SubscriptionTerms
from api.security import REQUIRE_KEY
from perennial.db.models import CheckoutSession
from perennial.domain.catalog import AddOn
from perennial.engine import checkout
from perennial.engine.checkout import Mode, NewSession, SessionStatus
from perennial.engine.checkout_standing import look
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription

router = APIRouter(
    prefix="/v1/checkout-sessions",
    tags=["checkout"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)

_CUSTOMER = "cus_0c4d1f3b9a5e7d26c8f0"
_SUBSCRIBE = {
    "mode": "subscription",
    "customer_id": _CUSTOMER,
    "plan": "standard-monthly",
    "currency": "EUR",
    "success_url": "https://shop.example/thanks",
}
_PAY = {"mode": "invoice", "invoice_id": "inv_0c4d1f3b9a5e7d26c8f0a1b2"}
_ADD = {"mode": "setup", "customer_id": _CUSTOMER}
_EXAMPLES: Any = {"subscribe": {"value": _SUBSCRIBE}, "pay": {"value": _PAY}, "add": {"value": _ADD}}


@router.post("", status_code=201, responses=WRITE)
async def create_checkout_session(
    body: Annotated[NewCheckoutSession, Body(openapi_examples=_EXAMPLES)], engine: EngineDep, names: NamesDep
) -> CheckoutSessionOut:
    """A page where the customer subscribes, pays an open invoice or adds a payment method: send them to its `url`."""
    of: dict[str, Any]
    match body:
        case SubscriptionCheckout():
            of = {"terms": _terms(body)}
        case InvoiceCheckout():
            of = {"invoice_id": body.invoice_id}
        case _:
            of = {"customer_id": body.customer_id, "currency": body.currency}
    new = NewSession(
        mode=body.mode,
        id=names.id("cs"),
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        expires_in=timedelta(seconds=body.expires_in),
        **of,
    )
    return _shown(engine, await checkout.create(engine, new))


def _terms(body: SubscriptionCheckout) -> NewSubscription:
    named = {name: getattr(body, name) for name in SubscriptionTerms.model_fields}
    addons = tuple(AddOn(each.code, each.quantity) for each in body.addons)
    return NewSubscription(customer_id=body.customer_id, **(named | {"coupons": tuple(body.coupons), "addons": addons}))


@router.get("")
async def list_checkout_sessions(
    engine: EngineDep,
    place: PageDep,
    status: SessionStatus | None = None,
    mode: Mode | None = None,
    customer_id: Filter = None,
    invoice_id: Filter = None,
) -> Listing[CheckoutSessionOut]:
    """All, or those with this status, mode, customer, invoice."""
    await engine.write(lambda session: checkout.lapse(session, engine.clock()))

    def show(_: Session, rows: Sequence[CheckoutSession]) -> list[CheckoutSessionOut]:
        return [_shown(engine, row) for row in rows]

    of = {"customer_id": customer_id, "invoice_id": invoice_id}
    return await listing(engine, CheckoutSession, place, show, status=status, mode=mode, **of)


@router.get("/{session_id}")
async def get_checkout_session(session_id: str, engine: EngineDep) -> CheckoutSessionOut:
    """One session, as it stands: completed when what it is for has been done, by whatever way."""
    return _shown(engine, (await look(engine, session_id)).row)


@router.post("/{session_id}/expire", responses=WRITE)
async def expire_checkout_session(
    session_id: str, engine: EngineDep, _names: NamesDep, _body: Nothing | None = None
) -> CheckoutSessionOut:
    """Its link leads nowhere any more. 409 when it is completed."""
    await look(engine, session_id)
    return _shown(engine, await checkout.expire(engine, session_id))


def _shown(engine: Engine, row: CheckoutSession) -> CheckoutSessionOut:
    fields = {name: getattr(row, name) for name in CheckoutSessionOut.model_fields if name != "url"}
    return CheckoutSessionOut(url=checkout.url_of(engine, row), **fields)
