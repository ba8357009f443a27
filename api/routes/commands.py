"""The commands of a subscription. Each waits for what follows from it; after ten seconds it answers 202."""

from fastapi import APIRouter, Response

from api.commands import obey
from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE, accepted
from api.routing import GuardedRoute
from api.schemas.commands import (
    AddGift,
    ApplyCoupon,
    Cancel,
    ChangeAddOns,
    ChangePlan,
    ChangeQuantity,
    ExtendTrial,
    Nothing,
    Pause,
    Reactivate,
    SetDunning,
    SetPaymentMethod,
)
from api.schemas.subscriptions import SubscriptionOut
from api.security import REQUIRE_KEY

router = APIRouter(
    prefix="/v1/subscriptions/{subscription_id}",
    tags=["commands"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ | WRITE | accepted(SubscriptionOut),
)
View = SubscriptionOut | Response


@router.post("/pause", response_model=SubscriptionOut)
async def pause_subscription(
    subscription_id: str, engine: EngineDep, names: NamesDep, body: Pause | None = None
) -> View:
    """Service stops now or at the end of the period; what is left of it is kept and runs on afterwards."""
    return await obey(engine, names, subscription_id, "pause", body or Pause())


@router.post("/resume", response_model=SubscriptionOut)
async def resume_subscription(
    subscription_id: str, engine: EngineDep, names: NamesDep, body: Nothing | None = None
) -> View:
    """Service goes on; the period ends later by as long as the pause was. Undoes a pause that is ahead."""
    return await obey(engine, names, subscription_id, "resume", body or Nothing())


@router.post("/change-plan", response_model=SubscriptionOut)
async def change_plan(subscription_id: str, body: ChangePlan, engine: EngineDep, names: NamesDep) -> View:
    """Now, with proration, or at the end of the period."""
    return await obey(engine, names, subscription_id, "change_plan", body)


@router.post("/change-quantity", response_model=SubscriptionOut)
async def change_quantity(subscription_id: str, body: ChangeQuantity, engine: EngineDep, names: NamesDep) -> View:
    """Now, with proration, or at the end of the period."""
    return await obey(engine, names, subscription_id, "change_quantity", body)


@router.post("/change-addons", response_model=SubscriptionOut)
async def change_addons(subscription_id: str, body: ChangeAddOns, engine: EngineDep, names: NamesDep) -> View:
    """To exactly these add-ons of the plan, now with proration or at the end of the period."""
    return await obey(engine, names, subscription_id, "change_addons", body)


@router.post("/cancel", response_model=SubscriptionOut)
async def cancel_subscription(
    subscription_id: str, engine: EngineDep, names: NamesDep, body: Cancel | None = None
) -> View:
    """At the end of the period, or now and with a refund if so wanted."""
    return await obey(engine, names, subscription_id, "cancel", body or Cancel())


@router.post("/undo-cancel", response_model=SubscriptionOut)
async def undo_cancel(subscription_id: str, engine: EngineDep, names: NamesDep, body: Nothing | None = None) -> View:
    """A cancellation that is ahead does not happen."""
    return await obey(engine, names, subscription_id, "undo_cancel", body or Nothing())


@router.post("/reactivate", response_model=SubscriptionOut)
async def reactivate_subscription(
    subscription_id: str, engine: EngineDep, names: NamesDep, body: Reactivate | None = None
) -> View:
    """An ended subscription begins a new period now, which is charged."""
    return await obey(engine, names, subscription_id, "reactivate", body or Reactivate())


@router.post("/apply-coupon", response_model=SubscriptionOut)
async def apply_coupon(subscription_id: str, body: ApplyCoupon, engine: EngineDep, names: NamesDep) -> View:
    """It counts from the next whole period on."""
    return await obey(engine, names, subscription_id, "apply_coupon", body)


@router.post("/payment-method", response_model=SubscriptionOut)
async def set_payment_method(subscription_id: str, body: SetPaymentMethod, engine: EngineDep, names: NamesDep) -> View:
    """What is charged from now on; an open invoice is tried at once."""
    return await obey(engine, names, subscription_id, "set_payment_method", body)


@router.post("/extend-trial", response_model=SubscriptionOut)
async def extend_trial(subscription_id: str, body: ExtendTrial, engine: EngineDep, names: NamesDep) -> View:
    """The trial ends later."""
    return await obey(engine, names, subscription_id, "extend_trial", body)


@router.post("/retry-payment", response_model=SubscriptionOut)
async def retry_payment(subscription_id: str, engine: EngineDep, names: NamesDep, body: Nothing | None = None) -> View:
    """The open invoice is tried now."""
    return await obey(engine, names, subscription_id, "retry_payment", body or Nothing())


@router.post("/gift", response_model=SubscriptionOut)
async def give_periods(subscription_id: str, body: AddGift, engine: EngineDep, names: NamesDep) -> View:
    """Prepaid periods for somebody who subscribes already; the next renewals are free."""
    return await obey(engine, names, subscription_id, "gift", body)


@router.post("/dunning-policy", response_model=SubscriptionOut)
async def set_dunning_policy(subscription_id: str, body: SetDunning, engine: EngineDep, names: NamesDep) -> View:
    """Another policy for failed payments, also for a case that runs; null: the plan's again."""
    return await obey(engine, names, subscription_id, "set_dunning", body)


@router.post("/skip-next", response_model=SubscriptionOut)
async def skip_next(subscription_id: str, engine: EngineDep, names: NamesDep, body: Nothing | None = None) -> View:
    """The next period is neither served nor charged."""
    return await obey(engine, names, subscription_id, "skip_next", body or Nothing())
