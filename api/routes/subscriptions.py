"""Subscriptions: begin, look at, preview."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from api.commands import maker
from api.deps import EngineDep, NamesDep
from api.invoicing import invoices
from api.onboarding import Newcomer, subscribe
from api.openapi import READ, WRITE
from api.pagination import Filter, Listing, PageDep
from api.previews import preview_out
from api.queries import listing, subscriptions
from api.routing import GuardedRoute
from api.schemas.commands import Previewable
from api.schemas.customers import fields_of
from api.schemas.documents import InvoiceOut
from api.schemas.subscriptions import (
    CommandOutcome,
    NewSubscription,
    PreviewOut,
    SubscriptionOut,
    SubscriptionPreview,
    Timeline,
    TimelineItem,
)
from api.security import REQUIRE_KEY
from perennial.db.models import Invoice, Subscription
from perennial.domain.catalog import AddOn
from perennial.domain.subscription import Status
from perennial.engine import outcomes, previews, timeline
from perennial.engine import subscriptions as engine_subscriptions

router = APIRouter(
    prefix="/v1/subscriptions",
    tags=["subscriptions"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


def _terms(body: NewSubscription | SubscriptionPreview) -> dict[str, Any]:
    terms = body.model_dump(exclude={"customer_id", "customer", "payment_method"})
    addons = tuple(AddOn(each.code, each.quantity) for each in body.addons)
    return terms | {"coupons": tuple(body.coupons), "addons": addons}


_UPGRADE = {"command": "change_plan", "plan": "premium-monthly"}
_CANCEL = {"command": "cancel", "when": "now", "refund": "prorated"}


@router.post("", status_code=201, responses=WRITE)
async def create_subscription(body: NewSubscription, engine: EngineDep, names: NamesDep) -> SubscriptionOut:
    """Begins now, or with its trial; answers when the first payment is decided, or after ten seconds as it stands.

    Customer, payment method and subscription can come in one request: all of them are made, or none.
    """
    terms = _terms(body)
    if body.payment_method:
        terms["payment_method_id"] = names.id("pm")
    new = engine_subscriptions.NewSubscription(
        customer_id=body.customer_id or names.id("cus"), id=names.id("sub"), **terms
    )
    if body.customer is None and body.payment_method is None:
        return SubscriptionOut.model_validate(await engine_subscriptions.create(engine, new))
    customer = fields_of(body.customer) if body.customer else None
    newcomer = Newcomer(customer=customer, token=body.payment_method)
    return SubscriptionOut.model_validate(await subscribe(engine, newcomer, new))


@router.get("")
async def list_subscriptions(
    engine: EngineDep,
    place: PageDep,
    status: Status | None = None,
    customer_id: Filter = None,
    plan: Filter = None,
    test_clock_id: Filter = None,
) -> Listing[SubscriptionOut]:
    """All, or those with this status, customer, plan, test clock."""
    filters = {"customer_id": customer_id, "plan_code": plan, "test_clock_id": test_clock_id}
    return await listing(engine, Subscription, place, subscriptions, status=status, **filters)


@router.post("/preview", responses=WRITE)
async def preview_subscription(body: SubscriptionPreview, engine: EngineDep, _: NamesDep) -> PreviewOut:
    """What creating it now would charge, to the minor unit. Nothing is done."""
    new = engine_subscriptions.NewSubscription(customer_id=body.customer_id, **_terms(body))
    return preview_out(await previews.preview_new(engine, new))


@router.get("/{subscription_id}")
async def get_subscription(subscription_id: str, engine: EngineDep) -> SubscriptionOut:
    """One subscription, as the database has it."""
    return await engine.read(
        lambda session: subscriptions(session, [engine_subscriptions.require(session, subscription_id)])[0]
    )


@router.post("/{subscription_id}/preview-change", responses=WRITE)
async def preview_change(
    subscription_id: str,
    body: Annotated[Previewable, Body(openapi_examples={"upgrade": {"value": _UPGRADE}, "cancel": {"value": _CANCEL}})],
    engine: EngineDep,
    names: NamesDep,
) -> PreviewOut:
    """What a command would charge or credit if it were sent now: the body of the command, and its name."""
    make = maker(engine, body.command, body, names.request_id)
    return preview_out(await previews.preview_change(engine, subscription_id, make))


@router.get("/{subscription_id}/timeline")
async def get_timeline(subscription_id: str, engine: EngineDep) -> Timeline:
    """Everything that has happened: decisions, invoices, payments, credit notes, messages."""
    entries = await timeline.timeline(engine, subscription_id)
    return Timeline(data=[TimelineItem.model_validate(entry) for entry in entries])


@router.get("/{subscription_id}/commands/{request_id}")
async def get_command_outcome(subscription_id: str, request_id: str, engine: EngineDep) -> CommandOutcome:
    """What became of a command that was answered with 202: its `Location` leads here."""
    return CommandOutcome.model_validate(await outcomes.outcome(engine, subscription_id, request_id))


@router.get("/{subscription_id}/invoices")
async def list_subscription_invoices(subscription_id: str, engine: EngineDep, place: PageDep) -> Listing[InvoiceOut]:
    """Its invoices with their lines."""
    await engine_subscriptions.get(engine, subscription_id)
    return await listing(engine, Invoice, place, invoices, subscription_id=subscription_id)
