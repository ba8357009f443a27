"""What customers do, by name. Each act draws its details from the person's own chance first, then asks the engine."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import Invoice, PaymentAttempt, Subscription
from perennial.demo.buying import add_on, drop_add_ons, pay_invoice, use_api
from perennial.demo.roles import GOOD_CARDS
from perennial.demo.scene import Scene
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import commands as c
from perennial.engine import customers, plans
from perennial.engine.subscriptions import require_discount
from perennial.gateways.simulator import SimulatorGateway

Act = Callable[[Scene], Awaitable[None]]

COUPONS = ("demo-quarter", "demo-half-thrice")
LADDER = ("basic-monthly", "standard-monthly", "premium-monthly")
INTERVALS = ("basic-monthly", "standard-yearly", "box-weekly")
EVERY_PLAN = (
    "basic-monthly",
    "standard-monthly",
    "premium-monthly",
    "team-monthly",
    "standard-yearly",
    "box-weekly",
    "api-monthly",
)
LONGEST_PAUSE_DAYS = 75
MOST_SEATS = 20


async def pause(scene: Scene) -> None:
    await scene.ask("pause", lambda _s, _row, at, rid: c.PauseSubscription(request_id=rid, at=at))


async def pause_until(scene: Scene) -> None:
    pause_for = timedelta(days=scene.chance.randint(1, LONGEST_PAUSE_DAYS), seconds=scene.chance.randrange(86_400))
    await scene.ask("pause", lambda _s, _row, at, rid: c.PauseSubscription(request_id=rid, at=at, until=at + pause_for))


async def pause_at_period_end(scene: Scene) -> None:
    pause_for = timedelta(days=scene.chance.randint(1, LONGEST_PAUSE_DAYS)) if scene.chance.random() < 1 / 2 else None

    def build(_session: Session, row: Subscription, at: datetime, rid: str) -> c.Command:
        until = max(row.period_end, at) + pause_for if pause_for else None
        return c.PauseSubscription(request_id=rid, at=at, when=c.When.PERIOD_END, until=until)

    await scene.ask("pause", build)


async def resume(scene: Scene) -> None:
    await scene.ask("resume", lambda _s, _row, at, rid: c.Resume(request_id=rid, at=at))


async def cancel_now(scene: Scene) -> None:
    refund = scene.chance.choice(tuple(c.RefundPolicy))
    await scene.ask("cancel", lambda _s, _row, at, rid: c.Cancel(request_id=rid, at=at, when=c.When.NOW, refund=refund))


async def cancel_at_period_end(scene: Scene) -> None:
    await scene.ask("cancel", lambda _s, _row, at, rid: c.Cancel(request_id=rid, at=at))


async def undo_cancel(scene: Scene) -> None:
    await scene.ask("undo_cancel", lambda _s, _row, at, rid: c.UndoCancel(request_id=rid, at=at))


async def reactivate(scene: Scene) -> None:
    await scene.ask("reactivate", lambda _s, _row, at, rid: c.Reactivate(request_id=rid, at=at))


async def skip_next(scene: Scene) -> None:
    await scene.ask("skip_next", lambda _s, _row, at, rid: c.SkipNext(request_id=rid, at=at))


async def retry_payment(scene: Scene) -> None:
    await scene.ask("retry_payment", lambda _s, _row, at, rid: c.RetryPayment(request_id=rid, at=at))


async def extend_trial(scene: Scene) -> None:
    days = timedelta(days=scene.chance.randint(1, 20))

    def build(_session: Session, row: Subscription, at: datetime, rid: str) -> c.Command:
        return c.ExtendTrial(request_id=rid, at=at, until=row.period_end + days)

    await scene.ask("extend_trial", build)


async def apply_coupon(scene: Scene) -> None:
    coupon = scene.chance.choice(COUPONS)

    def build(session: Session, row: Subscription, at: datetime, rid: str) -> c.Command:
        return c.ApplyCoupon(request_id=rid, at=at, discount=require_discount(session, row, coupon, at, rid))

    await scene.ask("apply_coupon", build)


async def add_gift(scene: Scene) -> None:
    periods = scene.chance.randint(1, 3)
    await scene.ask(
        "gift", lambda _s, _row, at, rid: c.AddGift(request_id=rid, at=at, gift_id=f"gift_{rid}", periods=periods)
    )


async def more_seats(scene: Scene) -> None:
    await _change_quantity(scene, scene.chance.randint(1, 5))


async def fewer_seats(scene: Scene) -> None:
    await _change_quantity(scene, -scene.chance.randint(1, 5))


async def _change_quantity(scene: Scene, by: int) -> None:
    when = scene.chance.choice((c.When.NOW, c.When.NOW, c.When.PERIOD_END))
    basis = _basis(scene)

    def build(_session: Session, row: Subscription, at: datetime, rid: str) -> c.Command:
        quantity = min(max(row.quantity + by, 1), MOST_SEATS)
        return c.ChangeQuantity(request_id=rid, at=at, quantity=quantity, when=when, proration=basis)

    await scene.ask("change_quantity", build)


async def upgrade(scene: Scene) -> None:
    await _step(scene, 1)


async def downgrade(scene: Scene) -> None:
    await _step(scene, -1)


async def _step(scene: Scene, by: int) -> None:
    def next_plan(plan: str) -> str:
        place = LADDER.index(plan) + by if plan in LADDER else 0
        return LADDER[min(max(place, 0), len(LADDER) - 1)]

    await _change_plan(scene, next_plan, c.When.NOW)


async def change_at_period_end(scene: Scene) -> None:
    plan = scene.chance.choice(EVERY_PLAN)
    await _change_plan(scene, lambda _: plan, c.When.PERIOD_END)


async def change_interval(scene: Scene) -> None:
    plan = scene.chance.choice(INTERVALS)
    await _change_plan(scene, lambda _: plan, c.When.NOW)


async def _change_plan(scene: Scene, next_plan: Callable[[str], str], when: c.When) -> None:
    basis = _basis(scene)

    def build(session: Session, row: Subscription, at: datetime, rid: str) -> c.Command:
        terms = plans.require_terms(session, next_plan(row.plan_code), row.currency)
        return c.ChangePlan(request_id=rid, at=at, terms=terms, when=when, proration=basis)

    await scene.ask("change_plan", build)


def _basis(scene: Scene) -> ProrationBasis | None:
    """Mostly the plan's own; sometimes another."""
    choices: tuple[ProrationBasis | None, ...] = (None, None, None, *ProrationBasis)
    return scene.chance.choice(choices)


async def meter_later(scene: Scene) -> None:
    await _change_plan(scene, lambda _: "api-monthly", c.When.PERIOD_END)


async def new_card(scene: Scene) -> None:
    token = f"{scene.chance.choice(GOOD_CARDS)}:{scene.person.number}-{scene.requests}"
    method = (await customers.attach_payment_method(scene.engine, scene.customer, token)).id
    await scene.ask(
        "set_payment_method",
        lambda _s, _row, at, rid: c.SetPaymentMethod(request_id=rid, at=at, payment_method_id=method),
    )


async def authenticate(scene: Scene) -> None:
    """The customer passes 3-D Secure at the bank; the gateway's word for it is a hint to look."""
    gateway = scene.engine.gateway
    if not isinstance(gateway, SimulatorGateway):
        return

    def waiting(session: Session) -> tuple[str, str, int] | None:
        row = session.execute(
            select(PaymentAttempt.gateway_ref, Invoice.key, PaymentAttempt.n)
            .join(Invoice, Invoice.id == PaymentAttempt.invoice_id)
            .where(Invoice.subscription_id == scene.subscription, PaymentAttempt.status == "requires_action")
        ).first()
        return (row[0] or "", row[1], row[2]) if row else None

    if found := await scene.engine.read(waiting):
        reference, invoice, attempt = found
        gateway.authenticate(reference, success=True)
        await scene.ask(
            "payment_event",
            lambda _s, _row, at, rid: c.PaymentEvent(request_id=rid, at=at, invoice=invoice, attempt=attempt),
        )


async def anything(scene: Scene) -> None:
    """One or two acts at random, sensible or not."""
    for _ in range(scene.chance.randint(1, 2)):
        await scene.chance.choice(_ANYTHING)(scene)


_ANYTHING: tuple[Act, ...] = (
    pause,
    pause_until,
    pause_at_period_end,
    resume,
    resume,
    cancel_now,
    cancel_at_period_end,
    undo_cancel,
    undo_cancel,
    reactivate,
    reactivate,
    skip_next,
    retry_payment,
    extend_trial,
    apply_coupon,
    add_gift,
    more_seats,
    fewer_seats,
    upgrade,
    downgrade,
    change_at_period_end,
    change_interval,
    new_card,
    add_on,
    drop_add_ons,
    use_api,
)

_ON_PURPOSE: tuple[Act, ...] = (authenticate, anything, meter_later, pay_invoice)
ACTS: Mapping[str, Act] = {act.__name__: act for act in (*dict.fromkeys(_ANYTHING), *_ON_PURPOSE)}
