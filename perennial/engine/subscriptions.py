"""Subscriptions from outside: open one, send it commands."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.contracts.views import SubscriptionView, view_of
from perennial.db.models import PaymentMethod, Subscription, TestClock
from perennial.db.repositories import coupons, disputes, records
from perennial.domain import networks
from perennial.domain.catalog import AddOn, DisputePolicy, PlanTerms
from perennial.domain.disputes import SubscriptionDisputed
from perennial.domain.errors import AlreadySubscribed, ClockAdvancing, CommandRefused, NotFound
from perennial.domain.subscription import Opening, State, open_subscription
from perennial.domain.subscription.commands import ApplyCoupon, ChangePlan, Command, Reactivate, RetryPayment
from perennial.domain.subscription.lifecycle import check_stack
from perennial.domain.subscription.state import Discount
from perennial.engine import budgets, customers, plans, runs, states
from perennial.engine.context import Engine, from_thread
from perennial.engine.ids import new_id

# How long a caller is kept waiting for the first payment's outcome.
OUTCOME_TIMEOUT_SECONDS = 10.0
# How often that is looked for: ever less often, for it comes at once or takes its time.
_POLL_SECONDS, _SLOWER, _LONGEST_POLL_SECONDS = 0.03, 1.25, 0.5
# Stands for the payment method that a customer is about to give.
TO_COME = "pm_to_come"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """None is the customer's own `timezone`, `net_days`, and default method (`payment_method_id`)."""

    customer_id: str
    plan: str
    currency: str
    quantity: int = 1
    timezone: str | None = None
    payment_method_id: str | None = None
    trial_days: int | None = None
    coupons: tuple[str, ...] = ()
    addons: tuple[AddOn, ...] = ()
    net_days: int | None = None
    test_clock_id: str | None = None
    id: str | None = None


async def create(engine: Engine, new: NewSubscription) -> SubscriptionView:
    """Row and workflow together or neither; then waits a little for the first payment's outcome.

    Raises:
        InvalidInput, NotFound: something named in `new` is wrong or missing.
        AlreadySubscribed, PlanArchived: the state of things does not allow it.
        EngineUnavailable: nothing has been written.
    """
    loop = asyncio.get_running_loop()
    subscription_id = new.id or new_id("sub")

    def insert(session: Session) -> None:
        customers.require(session, new.customer_id, lock=True)
        if session.get(Subscription, subscription_id):
            return
        state = prepare(engine, session, replace(new, id=subscription_id))
        refuse_second(session, state.customer_id, state.terms)
        for code in sorted(new.coupons):  # in one order: two customers with the same ones do not wait for each other
            _redeem(session, state, code, state.created_at, f"{subscription_id}:{code}")
        session.add(Subscription(**records.subscription_row(state)))
        session.flush()
        # Inside the transaction: if Temporal is away the row goes, and if the commit fails the workflow's first step
        # writes the row.
        from_thread(loop, runs.start(engine, state))

    await engine.write(insert)
    return await _first_outcome(engine, subscription_id)


def prepare(engine: Engine, session: Session, new: NewSubscription, *, with_method: bool = False) -> State:
    """The state in which the subscription would start. Raises what `create` raises; writes nothing.

    `with_method`: as if the customer had given a payment method already.
    """
    customer = customers.require(session, new.customer_id)
    terms = plans.require_terms(session, new.plan, new.currency)
    now = edge_time(engine, session, new.test_clock_id)
    discounts = tuple(
        coupons.discount_for(session, code, customer_id=customer.id, plan=terms.code, currency=terms.currency, at=now)
        for code in new.coupons
    )
    check_stack(customer.id, discounts)
    if new.payment_method_id:
        method: PaymentMethod | None = customers.require_method(session, new.customer_id, new.payment_method_id)
    else:
        method = customers.default_method(session, new.customer_id)
    return open_subscription(
        Opening(
            id=new.id or "sub_preview",
            customer_id=customer.id,
            terms=terms,
            quantity=new.quantity,
            timezone=new.timezone or customer.timezone,
            start=now,
            payment_method_id=method.id if method else TO_COME if with_method else None,
            trial_days=new.trial_days,
            discounts=discounts,
            addons=new.addons,
            net_days=customer.net_days if new.net_days is None else new.net_days,
            test_clock_id=new.test_clock_id,
            clock_offset=now - engine.clock() if new.test_clock_id else timedelta(),
            renewal_window_seconds=0 if new.test_clock_id else engine.settings.renewal_window_seconds,
        )
    )


def require_discount(
    session: Session, row: Subscription, code: str, at: datetime, request_id: str | None = None
) -> Discount:
    """What the coupon would mean for this subscription. Raises what redeeming it would raise; redeems nothing.

    `request_id`: a request that has redeemed it already may come again.
    """
    return coupons.discount_for(
        session,
        code,
        customer_id=row.customer_id,
        plan=row.plan_code,
        currency=row.currency,
        at=at,
        subscription_id=row.id,
        request_id=request_id,
    )


def refuse_second(session: Session, customer_id: str, terms: PlanTerms, *, besides: str = "") -> None:
    """One live subscription to a plan, `besides` not counted. With the customer's row locked two cannot both pass."""
    if terms.allow_multiple:
        return
    held = session.scalar(
        select(Subscription.id).where(
            Subscription.customer_id == customer_id,
            Subscription.plan_code == terms.code,
            Subscription.ended_at.is_(None),
            Subscription.id != besides,
        )
    )
    if held:
        raise AlreadySubscribed(customer_id, terms.code, held)


def _refuse_by_detour(session: Session, row: Subscription, command: Command) -> None:
    """A plan that is held already is not had again through another subscription, nor while a charge is disputed."""
    if isinstance(command, Reactivate) and row.ended_at:
        terms = records.load_state(row.state).terms
        refuse_second(session, row.customer_id, terms, besides=row.id)
        if terms.on_dispute is not DisputePolicy.KEEP and disputes.of_subscription(session, row.id):
            raise SubscriptionDisputed(row.id)
    if isinstance(command, ChangePlan) and command.terms.code != row.plan_code:
        refuse_second(session, row.customer_id, command.terms, besides=row.id)


async def _first_outcome(engine: Engine, subscription_id: str) -> SubscriptionView:
    """The view after the first step, or as it stands when that takes longer (no worker, a slow gateway)."""

    def load(session: Session) -> State:
        return states.current(session, require(session, subscription_id))

    deadline, pause = time.monotonic() + OUTCOME_TIMEOUT_SECONDS, _POLL_SECONDS
    while True:
        state = await engine.read(load)
        settled = state.is_begun and not (state.collection and state.collection.in_flight)
        if settled or time.monotonic() > deadline:
            return view_of(state)
        await asyncio.sleep(pause)
        pause = min(pause * _SLOWER, _LONGEST_POLL_SECONDS)


async def get(engine: Engine, subscription_id: str) -> Subscription:
    return await engine.read(lambda session: require(session, subscription_id))


def require(session: Session, subscription_id: str) -> Subscription:
    row = session.get(Subscription, subscription_id)
    if row is None:
        raise NotFound("subscription", subscription_id)
    return row


async def command(
    engine: Engine, subscription_id: str, name: str, make: Callable[[Session, Subscription, datetime], Command]
) -> SubscriptionView:
    """Send the update `name`; `make` builds the command, given the row and the instant that it is effective at.

    Raises:
        NotFound, InvalidInput: what `make` names is not there.
        CommandRefused: the state does not allow it (`RefusedBySubscription` keeps the code).
        CommandPending: accepted, but not finished within ten seconds.
        ClockAdvancing: the subscription lives on a test clock that is moving.
        CardBudgetSpent, CardBarred: a retry that the card's network does not allow.
        EngineUnavailable: Temporal, its workers or PostgreSQL are away.
    """

    def build(session: Session) -> tuple[Subscription, Command]:
        row = require(session, subscription_id)
        now = edge_time(engine, session, row.test_clock_id)
        built = make(session, row, now)
        _refuse_by_detour(session, row, built)
        budgets.check_command(session, row, built, now)
        if isinstance(built, ApplyCoupon):
            state = states.current(session, row)
            _redeem(session, state, built.discount.coupon, now, built.request_id)
        return row, built

    row, built = await engine.write(build)
    try:
        view = await runs.update(engine, row, name, built)
    except CommandRefused:
        if isinstance(built, ApplyCoupon):
            await engine.write(lambda session: coupons.release(session, built.request_id))
        raise
    if isinstance(built, RetryPayment) and view.decline_code in networks.REFUSED:
        # Another attempt with the same card was faster: this one was not sent.
        await engine.read(lambda session: _tell_budget(engine, session, subscription_id, built))
    return view


def _tell_budget(engine: Engine, session: Session, subscription_id: str, asked: RetryPayment) -> None:
    row = require(session, subscription_id)
    again = replace(asked, request_id="")
    budgets.check_command(session, row, again, edge_time(engine, session, row.test_clock_id))


def _redeem(session: Session, state: State, code: str, at: datetime, request_id: str) -> None:
    coupons.redeem(
        session,
        code,
        customer_id=state.customer_id,
        subscription_id=state.id,
        plan=state.terms.code,
        currency=state.currency,
        at=at,
        request_id=request_id,
    )


def edge_time(engine: Engine, session: Session, test_clock_id: str | None) -> datetime:
    """Now, at the edge: the machine's clock, or where the test clock stands.

    Raises:
        ClockAdvancing: while it moves, nothing may be asked of what lives on it.
    """
    if test_clock_id is None:
        return engine.clock()
    clock = session.get(TestClock, test_clock_id)
    if clock is None:
        raise NotFound("test clock", test_clock_id)
    if clock.status == "advancing":
        raise ClockAdvancing(test_clock_id)
    return clock.now
