"""What a subscription looks like from outside: the answer to every command."""

from dataclasses import dataclass
from datetime import datetime

from perennial.domain.catalog import AddOn
from perennial.domain.disputes import DisputeStatus
from perennial.domain.subscription import State, next_due


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """Instants are UTC. `access` says whether the subscriber is to be served."""

    id: str
    customer_id: str
    status: str
    access: bool
    plan: str
    plan_version: int
    quantity: int
    currency: str
    timezone: str
    created_at: datetime
    period_start: datetime
    period_end: datetime
    next_due_kind: str | None
    next_due_at: datetime | None
    trial_end: datetime | None
    cancel_at: datetime | None
    paused_since: datetime | None
    resume_at: datetime | None
    pause_at: datetime | None
    scheduled_plan: str | None
    scheduled_quantity: int | None
    scheduled_addons: tuple[AddOn, ...] | None
    scheduled_at: datetime | None
    skip_next: bool
    prepaid_periods: int
    gift_id: str | None
    coupons: tuple[str, ...]
    addons: tuple[AddOn, ...]
    net_days: int | None
    payment_method_id: str | None
    dunning_attempt: int
    decline_code: str | None
    ended_at: datetime | None
    end_reason: str | None
    test_clock_id: str | None
    parked_since: datetime | None = None
    open_disputes: int = 0
    dunning_policy: str | None = None


def view_of(state: State) -> SubscriptionView:
    due, case, change = next_due(state), state.collection, state.scheduled_change
    failed = case is not None and case.first_failed_at is not None
    serves = state.status.renews and not (case and case.suspended)
    return SubscriptionView(
        id=state.id,
        customer_id=state.customer_id,
        status=state.status.value,
        access=serves,
        plan=state.terms.code,
        plan_version=state.terms.version,
        quantity=state.quantity,
        currency=state.currency,
        timezone=state.timezone,
        created_at=state.created_at,
        period_start=state.period.start,
        period_end=state.period.end,
        next_due_kind=due.kind.value if due else None,
        next_due_at=due.at if due else None,
        trial_end=state.trial_end,
        cancel_at=state.cancellation.at if state.cancellation else None,
        paused_since=state.pause.since if state.pause else None,
        resume_at=state.pause.until if state.pause else None,
        pause_at=state.scheduled_pause.at if state.scheduled_pause else None,
        scheduled_plan=change.terms.code if change else None,
        scheduled_quantity=change.quantity if change else None,
        scheduled_addons=change.addons if change else None,
        scheduled_at=change.at if change else None,
        skip_next=state.skip_next,
        prepaid_periods=state.prepaid_periods,
        gift_id=state.gift_id,
        coupons=tuple(discount.coupon for discount in state.discounts),
        addons=state.addons,
        net_days=state.net_days,
        payment_method_id=state.payment_method_id,
        dunning_attempt=case.attempt if case and failed else 0,
        decline_code=case.code if case else None,
        ended_at=state.ended_at,
        end_reason=state.end_reason,
        test_clock_id=state.test_clock_id,
        parked_since=state.parked_at,
        open_disputes=sum(dispute.status is DisputeStatus.OPEN for dispute in state.disputes),
        dunning_policy=state.policy.name,
    )
