"""From a body of the API to a command of the domain. The names are those of the workflow's updates."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.deps import Names
from api.schemas import commands as bodies
from api.schemas.subscriptions import SubscriptionOut
from perennial.contracts.views import SubscriptionView, view_of
from perennial.db.models import Subscription
from perennial.db.repositories.dunning import policy_of
from perennial.domain.catalog import AddOn
from perennial.domain.errors import CommandRefused
from perennial.domain.subscription import State
from perennial.domain.subscription import commands as c
from perennial.engine import channels, customers, dunning, plans, states, subscriptions
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.previews import previewed_instant
from perennial.engine.runs import CommandPending

ACCEPTED = 202
Make = Callable[[Session, Subscription, datetime], c.Command]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command is made from, besides its body."""

    engine: Engine
    session: Session
    row: Subscription
    request_id: str
    at: datetime


async def obey(
    engine: Engine, names: Names, subscription_id: str, name: str, body: BaseModel
) -> SubscriptionOut | Response:
    """Send the command and answer with the view it leads to; 202 and how things stand if that takes too long."""
    request_id = names.request_id  # without an idempotency key it is another one each time
    try:
        view = await subscriptions.command(engine, subscription_id, name, maker(engine, name, body, request_id))
    except CommandPending as pending:
        standing = SubscriptionOut.model_validate(pending.view)
        where = f"/v1/subscriptions/{subscription_id}/commands/{request_id}"
        return JSONResponse(jsonable_encoder(standing), ACCEPTED, {"Location": where})
    except CommandRefused:
        done = await _done_before(engine, names, subscription_id)
        if done is None:
            raise
        view = done
    return SubscriptionOut.model_validate(view)


async def _done_before(engine: Engine, names: Names, subscription_id: str) -> SubscriptionView | None:
    """How things stand, if it was this very request that has changed them: its first answer was lost with a process.

    While a workflow runs it knows that by itself; one that has ended does not answer any more.
    """
    if names.seed is None:
        return None

    def load(session: Session) -> State:
        return states.current(session, subscriptions.require(session, subscription_id))

    state = await engine.read(load)
    return view_of(state) if names.request_id in state.applied else None


def maker(engine: Engine, name: str, body: BaseModel, request_id: str) -> Make:
    """What builds the command once the engine knows the row and the instant."""

    def make(session: Session, row: Subscription, at: datetime) -> c.Command:
        return _BUILDERS[name](body, Asked(engine, session, row, request_id, at))

    return make


def _instant(body: bodies.Prorated, asked: Asked) -> datetime:
    return previewed_instant(body.effective_at, asked.at)


def _pause(body: bodies.Pause, asked: Asked) -> c.Command:
    return c.PauseSubscription(request_id=asked.request_id, at=asked.at, until=body.until, when=body.when)


def _change_plan(body: bodies.ChangePlan, asked: Asked) -> c.Command:
    # Who has an archived plan is no new subscriber of it: its newest version may be had.
    sellable = body.plan != asked.row.plan_code
    terms = plans.require_terms(asked.session, body.plan, body.currency or asked.row.currency, sellable=sellable)
    return c.ChangePlan(
        request_id=asked.request_id,
        at=_instant(body, asked),
        terms=terms,
        quantity=body.quantity,
        addons=None if body.addons is None else _addons(body.addons),
        when=body.when,
        proration=body.proration,
    )


def _addons(asked: list[bodies.AddOn]) -> tuple[AddOn, ...]:
    return tuple(AddOn(each.code, each.quantity) for each in asked)


def _change_addons(body: bodies.ChangeAddOns, asked: Asked) -> c.Command:
    return c.ChangeAddOns(
        request_id=asked.request_id,
        at=_instant(body, asked),
        addons=_addons(body.addons),
        when=body.when,
        proration=body.proration,
    )


def _change_quantity(body: bodies.ChangeQuantity, asked: Asked) -> c.Command:
    return c.ChangeQuantity(
        request_id=asked.request_id,
        at=_instant(body, asked),
        quantity=body.quantity,
        when=body.when,
        proration=body.proration,
    )


def _cancel(body: bodies.Cancel, asked: Asked) -> c.Command:
    at = _instant(body, asked)
    return c.Cancel(request_id=asked.request_id, at=at, when=body.when, reason=body.reason, refund=body.refund)


def _reactivate(body: bodies.Reactivate, asked: Asked) -> c.Command:
    method = body.payment_method_id
    if method is not None:
        method = customers.require_method(asked.session, asked.row.customer_id, method).id
    return c.Reactivate(request_id=asked.request_id, at=asked.at, payment_method_id=method)


def _apply_coupon(body: bodies.ApplyCoupon, asked: Asked) -> c.Command:
    discount = subscriptions.require_discount(asked.session, asked.row, body.coupon, asked.at, asked.request_id)
    return c.ApplyCoupon(request_id=asked.request_id, at=asked.at, discount=discount)


def _set_payment_method(body: bodies.SetPaymentMethod, asked: Asked) -> c.Command:
    method = customers.require_method(asked.session, asked.row.customer_id, body.payment_method_id)
    return c.SetPaymentMethod(request_id=asked.request_id, at=asked.at, payment_method_id=method.id)


def _set_dunning(body: bodies.SetDunning, asked: Asked) -> c.Command:
    policy = channels.check(asked.engine, body.policy.policy) if body.policy else None
    if body.code:
        policy = policy_of(dunning.require(asked.session, body.code, body.version))
    return c.SetDunning(request_id=asked.request_id, at=asked.at, policy=policy, case_only=body.case_only)


def _extend_trial(body: bodies.ExtendTrial, asked: Asked) -> c.Command:
    return c.ExtendTrial(request_id=asked.request_id, at=asked.at, until=body.until)


def _gift(body: bodies.AddGift, asked: Asked) -> c.Command:
    gift_id = new_id("gift", asked.request_id)
    return c.AddGift(request_id=asked.request_id, at=asked.at, gift_id=gift_id, periods=body.periods)


def _plain(command: Callable[..., c.Command]) -> Callable[[Any, Asked], c.Command]:
    """For a command that has nothing to say beyond its name."""
    return lambda _, asked: command(request_id=asked.request_id, at=asked.at)


_BUILDERS: dict[str, Callable[[Any, Asked], c.Command]] = {
    "pause": _pause,
    "resume": _plain(c.Resume),
    "change_plan": _change_plan,
    "change_quantity": _change_quantity,
    "change_addons": _change_addons,
    "cancel": _cancel,
    "undo_cancel": _plain(c.UndoCancel),
    "reactivate": _reactivate,
    "apply_coupon": _apply_coupon,
    "set_payment_method": _set_payment_method,
    "set_dunning": _set_dunning,
    "extend_trial": _extend_trial,
    "retry_payment": _plain(c.RetryPayment),
    "gift": _gift,
    "skip_next": _plain(c.SkipNext),
}
