"""The commands of a subscription, one subcommand each; they are sent to its workflow as updates."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from perennial.cli.options import AddOns, Json, RequestId, addons_of, instant_option
from perennial.cli.session import note, run, unusable
from perennial.cli.subscription_view import show_preview, show_view
from perennial.contracts.views import SubscriptionView
from perennial.db.models import Subscription
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.commands import RefundPolicy, When
from perennial.engine import customers, plans, previews, subscriptions
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.runs import CommandPending

ACTOR = "cli"
REASON = re.compile(r"[a-z0-9_]{1,64}")  # as the API has it

Subject = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="sub_...")]
WhenOption = Annotated[When, typer.Option(help="At once, or at the end of the period.")]
Proration = Annotated[
    ProrationBasis | None, typer.Option(help="How part of a period is counted (default: as the plan says).")
]
Quantity = Annotated[int | None, typer.Option(min=1, help="Units or seats (default: as it is).")]
Make = Callable[[Session, Subscription, datetime], c.Command]


def send(subscription: str, name: str, make: Make, *, as_json: bool) -> None:
    """Send the update and show the subscription that it leads to."""

    async def work(engine: Engine) -> tuple[SubscriptionView, bool]:
        try:
            return await subscriptions.command(engine, subscription, name, make), True
        except CommandPending as pending:
            return pending.view, False

    view, done = run(work)
    show_view(view, as_json=as_json)
    if not done:
        note("Accepted and still being carried out; see `perennial subscriptions show`.")


def _plainly(kind: Callable[..., c.Command], request_id: str | None) -> Make:
    """A command that says no more than its name."""
    return lambda _session, _row, at: kind(request_id=request_id or new_id("req"), at=at, actor=ACTOR)


def pause(
    subscription: Subject,
    until: Annotated[datetime | None, instant_option("Resume by itself then.")] = None,
    when: WhenOption = When.NOW,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Stop service; the unused rest of the period is kept."""
    request = request_id or new_id("req")

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.PauseSubscription(request_id=request, at=at, actor=ACTOR, until=until, when=when)

    send(subscription, "pause", make, as_json=as_json)


def resume(subscription: Subject, request_id: RequestId = None, as_json: Json = False) -> None:
    """Go on after a pause, or take a scheduled one back."""
    send(subscription, "resume", _plainly(c.Resume, request_id), as_json=as_json)


def _change_plan(request: str, plan: str, quantity: int | None, when: When, proration: ProrationBasis | None) -> Make:
    def make(session: Session, row: Subscription, at: datetime) -> c.Command:
        terms = plans.require_terms(session, plan, row.currency, sellable=plan != row.plan_code)
        return c.ChangePlan(
            request_id=request, at=at, actor=ACTOR, terms=terms, quantity=quantity, when=when, proration=proration
        )

    return make


def change_plan(
    subscription: Subject,
    plan: Annotated[str, typer.Argument(help="The new plan's code.")],
    quantity: Quantity = None,
    when: WhenOption = When.NOW,
    proration: Proration = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Change to another plan (its newest version), prorated when it is at once."""
    make = _change_plan(request_id or new_id("req"), plan, quantity, when, proration)
    send(subscription, "change_plan", make, as_json=as_json)


def _change_quantity(request: str, quantity: int, when: When, proration: ProrationBasis | None) -> Make:
    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.ChangeQuantity(
            request_id=request, at=at, actor=ACTOR, quantity=quantity, when=when, proration=proration
        )

    return make


def change_quantity(
    subscription: Subject,
    quantity: Annotated[int, typer.Argument(min=1, help="Units or seats.")],
    when: WhenOption = When.NOW,
    proration: Proration = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Change the number of units or seats, prorated when it is at once."""
    make = _change_quantity(request_id or new_id("req"), quantity, when, proration)
    send(subscription, "change_quantity", make, as_json=as_json)


def change_addons(
    subscription: Subject,
    addon: AddOns = None,
    when: WhenOption = When.NOW,
    proration: Proration = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Change to exactly these add-ons of the plan; without --addon to none."""
    request, addons = request_id or new_id("req"), addons_of(addon)

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.ChangeAddOns(request_id=request, at=at, actor=ACTOR, addons=addons, when=when, proration=proration)

    send(subscription, "change_addons", make, as_json=as_json)


def preview_change(
    subscription: Subject,
    plan: Annotated[str | None, typer.Option(help="The new plan's code.")] = None,
    quantity: Quantity = None,
    when: WhenOption = When.NOW,
    proration: Proration = None,
    as_json: Json = False,
) -> None:
    """What a change of plan or quantity would cost; nothing happens."""
    if plan is None and quantity is None:
        raise typer.BadParameter("give --plan, --quantity or both")
    request = new_id("req")
    if plan is not None:
        make = _change_plan(request, plan, quantity, when, proration)
    else:
        make = _change_quantity(request, quantity or 1, when, proration)
    show_preview(run(lambda engine: previews.preview_change(engine, subscription, make)), as_json=as_json)


def cancel(
    subscription: Subject,
    when: WhenOption = When.PERIOD_END,
    reason: Annotated[
        str, typer.Option(metavar="CODE", help="Kept in the timeline: too_expensive, no prose.")
    ] = "requested",
    refund: Annotated[RefundPolicy | None, typer.Option(help="What is given back (default: as the plan says).")] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """End it, by default with the period."""
    request = request_id or new_id("req")
    if not REASON.fullmatch(reason):
        unusable(
            f"--reason: {reason!r} is no code (a-z, 0-9 and _): it is kept in histories, which hold nothing personal"
        )

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.Cancel(request_id=request, at=at, actor=ACTOR, when=when, reason=reason, refund=refund)

    send(subscription, "cancel", make, as_json=as_json)


def undo_cancel(subscription: Subject, request_id: RequestId = None, as_json: Json = False) -> None:
    """Take a scheduled cancellation back."""
    send(subscription, "undo_cancel", _plainly(c.UndoCancel, request_id), as_json=as_json)


def reactivate(
    subscription: Subject,
    payment_method: Annotated[str | None, typer.Option(help="Pay with this from now on.", metavar="PM")] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Begin an ended subscription anew, from now."""
    request = request_id or new_id("req")

    def make(session: Session, row: Subscription, at: datetime) -> c.Command:
        method = payment_method and customers.require_method(session, row.customer_id, payment_method).id
        return c.Reactivate(request_id=request, at=at, actor=ACTOR, payment_method_id=method)

    send(subscription, "reactivate", make, as_json=as_json)


def apply_coupon(
    subscription: Subject,
    coupon: Annotated[str, typer.Argument(help="The coupon's code.")],
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Take a coupon's discount off, from the next whole period on."""
    request = request_id or new_id("req")

    def make(session: Session, row: Subscription, at: datetime) -> c.Command:
        discount = subscriptions.require_discount(session, row, coupon, at, request)
        return c.ApplyCoupon(request_id=request, at=at, actor=ACTOR, discount=discount)

    send(subscription, "apply_coupon", make, as_json=as_json)


def set_payment_method(
    subscription: Subject,
    payment_method: Annotated[str, typer.Argument(metavar="PM", help="pm_...")],
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Pay with this from now on; what is owed is tried at once."""
    request = request_id or new_id("req")

    def make(session: Session, row: Subscription, at: datetime) -> c.Command:
        method = customers.require_method(session, row.customer_id, payment_method)
        return c.SetPaymentMethod(request_id=request, at=at, actor=ACTOR, payment_method_id=method.id)

    send(subscription, "set_payment_method", make, as_json=as_json)


def extend_trial(
    subscription: Subject,
    until: Annotated[datetime, instant_option("The trial's new end.")],
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Let a trial end later."""
    request = request_id or new_id("req")

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.ExtendTrial(request_id=request, at=at, actor=ACTOR, until=until)

    send(subscription, "extend_trial", make, as_json=as_json)


def retry_payment(subscription: Subject, request_id: RequestId = None, as_json: Json = False) -> None:
    """Try the open invoice again now."""
    send(subscription, "retry_payment", _plainly(c.RetryPayment, request_id), as_json=as_json)


def gift(
    subscription: Subject,
    periods: Annotated[int, typer.Option(min=1, max=120, help="How many periods are free.")],
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Give prepaid periods, which follow the running one and are not charged."""
    request = request_id or new_id("req")

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        gift_id = new_id("gift", request)
        return c.AddGift(request_id=request, at=at, actor=ACTOR, gift_id=gift_id, periods=periods)

    send(subscription, "gift", make, as_json=as_json)


def skip_next(subscription: Subject, request_id: RequestId = None, as_json: Json = False) -> None:
    """Do not charge the next period."""
    send(subscription, "skip_next", _plainly(c.SkipNext, request_id), as_json=as_json)


COMMANDS = (
    pause,
    resume,
    change_plan,
    change_quantity,
    preview_change,
    cancel,
    undo_cancel,
    reactivate,
    change_addons,
    apply_coupon,
    set_payment_method,
    extend_trial,
    retry_payment,
    gift,
    skip_next,
)


def register(app: typer.Typer) -> None:
    for command in COMMANDS:
        app.command(command.__name__.replace("_", "-"))(command)
