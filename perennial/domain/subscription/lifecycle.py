"""The commands that move a subscription's life: pause, resume, cancel, reactivate, trials, gifts, payment methods."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from perennial.domain import calendar, keys
from perennial.domain.calendar import Period
from perennial.domain.disputes import SubscriptionDisputed
from perennial.domain.errors import (
    AlreadyCanceling,
    AlreadyDiscounted,
    AlreadyPaused,
    AlreadySkipping,
    CancellationPending,
    ChangePending,
    InvalidInstant,
    InvalidQuantity,
    NotCanceling,
    NothingToPay,
    NotPaused,
    NotReactivatable,
    NotRenewing,
    NotTrialing,
    PaymentMethodRequired,
    PaymentOverdue,
)
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import Decision, Message, Note, Settle, Trigger
from perennial.domain.subscription.ending import cancel_now, close_invoices
from perennial.domain.subscription.opening import INCOMPLETE_FOR
from perennial.domain.subscription.payments import attempt, skip_past_retries, unblocked
from perennial.domain.subscription.periods import enter_new_cycle
from perennial.domain.subscription.state import (
    Cancellation,
    Closing,
    Discount,
    Pause,
    ScheduledPause,
    Span,
    SpanKind,
    State,
    Status,
    WaitsFor,
)

FARTHEST = timedelta(days=3653)
MAX_COUPONS = 5


def pause(state: State, command: c.PauseSubscription, at: datetime) -> Decision:
    if state.status is Status.PAUSED or state.scheduled_pause:
        raise AlreadyPaused(state.id)
    require_settled(state)
    if state.cancellation:
        raise CancellationPending(state.id)
    starts = at if command.when is c.When.NOW else state.period.end
    if command.until is not None and command.until <= starts:
        raise InvalidInstant(f"is not after the pause begins ({starts.isoformat()})", field="until")
    _check_ahead(command.until, at)
    if command.when is c.When.PERIOD_END:
        note = Note(at, "pause_scheduled", command.actor, {"at": starts.isoformat()})
        return Decision(replace(state, scheduled_pause=ScheduledPause(starts, command.until)), notes=(note,))
    return pause_now(state, at, command.until, command.actor)


def pause_now(state: State, at: datetime, until: datetime | None, actor: str = "engine") -> Decision:
    """Service stops; the unused rest of the period is kept and runs on after the pause."""
    served = replace(state.span, end=at)
    span = Span(at, None, SpanKind.PAUSED, state.period_no)
    paused = replace(
        state,
        status=Status.PAUSED,
        pause=Pause(at, until, state.status, state.span.kind),
        scheduled_pause=None,
        span=span,
    )
    note = Note(at, "paused", actor, {"until": until.isoformat() if until else ""})
    message = Message(keys.notify("subscription_paused", f"{state.id}:{state.step}"), "subscription_paused")
    return Decision(paused, notes=(note,), messages=(message,), spans=(served, span))


def resume(state: State, command: c.Resume, at: datetime) -> Decision:
    if state.scheduled_pause:
        return Decision(replace(state, scheduled_pause=None), notes=(Note(at, "pause_undone", command.actor),))
    if state.is_frozen:
        raise SubscriptionDisputed(state.id)
    return resume_now(state, at, command.actor)


def resume_now(state: State, at: datetime, actor: str = "engine") -> Decision:
    """Paused time is not service time: the period ends later by exactly the pause, and its new end is the anchor.

    A dunning case stood still as well: its dates move by as much. A pause that took no time has moved nothing.
    """
    if state.pause is None:
        raise NotPaused(state.id, state.status.value)
    shift = at - state.pause.since
    case = state.collection
    if case and case.first_failed_at:
        # What became overdue during the pause counts from its end.
        case = replace(case, first_failed_at=min(case.first_failed_at + shift, at))
    period = Period(state.period.start + shift, state.period.end + shift)
    anchor, index = (calendar.to_wall(period.end, state.timezone), -1) if shift else (state.anchor, state.index)
    trialing = state.pause.was is Status.TRIALING
    change = state.scheduled_change
    gap = Span(state.span.start, at, SpanKind.PAUSED, state.period_no)
    span = Span(at, period.end, state.pause.kind, state.period_no)
    resumed = replace(
        state,
        status=state.pause.was,
        pause=None,
        collection=case,
        period=period,
        anchor=anchor,
        index=index,
        trial_end=period.end if trialing else state.trial_end,
        scheduled_change=replace(change, at=period.end) if change else None,
        span=span,
        reminded_period=-1,
    )
    message = Message(keys.notify("subscription_resumed", f"{state.id}:{state.step}"), "subscription_resumed")
    return Decision(resumed, notes=(Note(at, "resumed", actor),), messages=(message,), spans=(gap, span))


def cancel(state: State, command: c.Cancel, at: datetime) -> Decision:
    if command.when is c.When.PERIOD_END:
        return _cancel_at_period_end(state, command, at)
    refund = command.refund or state.terms.cancel_refund
    asked = Cancellation(at, command.reason, refund, command.request_id)
    # Who asks for something back does not owe what was sent and not paid; who does not, still does.
    if state.collection and (state.collection.is_overdue or asked.refund is not c.RefundPolicy.NONE):
        return close_invoices(replace(state, cancellation=asked), Closing.REQUEST)
    return cancel_now(state, asked, at, command.actor)


def _cancel_at_period_end(state: State, command: c.Cancel, at: datetime) -> Decision:
    if state.cancellation:
        raise AlreadyCanceling(state.id, state.cancellation.at)
    if not state.status.renews:
        raise NotRenewing(state.id, state.status.value)
    cancellation = Cancellation(state.period.end, command.reason)
    note = Note(at, "cancellation_scheduled", command.actor, {"at": cancellation.at.isoformat()})
    return Decision(replace(state, cancellation=cancellation), notes=(note,))


def undo_cancel(state: State, command: c.UndoCancel, at: datetime) -> Decision:
    if state.cancellation is None:
        raise NotCanceling(state.id)
    return Decision(replace(state, cancellation=None), notes=(Note(at, "cancellation_undone", command.actor),))


def reactivate(state: State, command: c.Reactivate, at: datetime) -> Decision:
    """An ended subscription begins a new cycle now; it is active again when that is paid."""
    if not state.status.is_ended:
        raise NotReactivatable(state.id, state.status.value)
    if state.collection:
        raise PaymentOverdue(state.id, state.status.value)
    method = command.payment_method_id or state.payment_method_id
    if method is None and not state.prepaid_periods and state.net_days is None and state.costs_something:
        raise PaymentMethodRequired(state.terms.code)
    gap = Span(state.span.end or at, at, SpanKind.ENDED, state.period_no)
    state = replace(
        state,
        status=Status.INCOMPLETE,
        payment_method_id=method,
        incomplete_until=at + INCOMPLETE_FOR,
        ended_at=None,
        end_reason=None,
        disputes=(),
        reactivated_at=at,
    )
    decision = enter_new_cycle(state, at, period_no=state.period_no + 1)
    note = Note(at, "reactivated", command.actor)
    return replace(decision, notes=(note, *decision.notes), spans=(gap, *decision.spans))


def set_payment_method(state: State, command: c.SetPaymentMethod, at: datetime) -> Decision:
    """During dunning the new method is tried at once."""
    state = replace(state, payment_method_id=command.payment_method_id)
    note = Note(at, "payment_method_set", command.actor, {"payment_method": command.payment_method_id})
    if state.collection is None:
        return Decision(state, notes=(note,))
    decision = attempt(unblocked(state, at, WaitsFor.NEW_METHOD), Trigger.PAYMENT_METHOD)
    return replace(decision, notes=(note,))


def retry_payment(state: State, command: c.RetryPayment, at: datetime) -> Decision:
    if state.collection is None:
        raise NothingToPay(state.id)
    decision = attempt(unblocked(state, at, WaitsFor.CUSTOMER), Trigger.CUSTOMER)
    return replace(decision, notes=(Note(at, "payment_retried", command.actor),))


def payment_event(state: State, command: c.PaymentEvent, at: datetime) -> Decision:
    """News of a settled invoice is not news."""
    case = state.collection
    if case is None or command.invoice not in case.open_invoices:
        return Decision(state)
    note = Note(at, "payment_event", command.actor, {"attempt": str(command.attempt)})
    return Decision(state, effects=(Settle(command.invoice, command.attempt),), notes=(note,))


def set_dunning(state: State, command: c.SetDunning, at: datetime) -> Decision:
    """Days go on counting from the first failure of a case that runs; retries whose time has passed are not made up.

    Raises:
        NothingToPay: it is asked for the case that runs, and there is none.
    """
    if command.case_only:
        if state.collection is None:
            raise NothingToPay(state.id)
        state = replace(state, collection=replace(state.collection, policy=command.policy))
    else:
        state = replace(state, dunning=command.policy)
    if state.collection:
        state = replace(state, collection=skip_past_retries(state, state.collection, at))
    data = {"policy": state.policy.name} if state.policy.name else {}
    return Decision(state, notes=(Note(at, "dunning_policy_set", command.actor, data),))


def extend_trial(state: State, command: c.ExtendTrial, at: datetime) -> Decision:
    if state.status is not Status.TRIALING:
        raise NotTrialing(state.id, state.status.value)
    until = command.until.replace(microsecond=0)
    if until <= state.period.end:
        raise InvalidInstant(f"is not after the trial's end ({state.period.end.isoformat()})", field="until")
    _check_ahead(until, at)
    span = replace(state.span, end=until)
    change = state.scheduled_change
    state = replace(
        state,
        period=Period(state.period.start, until),
        trial_end=until,
        anchor=calendar.to_wall(until, state.timezone),
        span=span,
        reminded_period=-1,
        scheduled_change=replace(change, at=until) if change else None,
        scheduled_pause=state.scheduled_pause.moved_to(until) if state.scheduled_pause else None,
        cancellation=replace(state.cancellation, at=until) if state.cancellation else None,
    )
    note = Note(at, "trial_extended", command.actor, {"until": until.isoformat()})
    return Decision(state, notes=(note,), spans=(span,))


def skip_next(state: State, command: c.SkipNext, at: datetime) -> Decision:
    require_settled(state)
    if state.skip_next:
        raise AlreadySkipping(state.id)
    return Decision(replace(state, skip_next=True), notes=(Note(at, "skip_scheduled", command.actor),))


def apply_coupon(state: State, command: c.ApplyCoupon, at: datetime) -> Decision:
    """It counts from the next whole period on. Coupons stack only if all of them are combinable."""
    discounts = (*state.discounts, command.discount)
    check_stack(state.id, discounts)
    note = Note(at, "coupon_applied", command.actor, {"coupon": command.discount.coupon})
    return Decision(replace(state, discounts=discounts), notes=(note,))


def check_stack(subject: str, discounts: Sequence[Discount]) -> None:
    """Coupons go together when all of them are combinable, each once, at most five.

    Raises:
        AlreadyDiscounted: if they do not.
    """
    alone = len(discounts) > 1 and not all(each.combinable for each in discounts)
    twice = len({each.coupon for each in discounts}) < len(discounts)
    if alone or twice or len(discounts) > MAX_COUPONS:
        raise AlreadyDiscounted(subject, discounts[-2].coupon)


def add_gift(state: State, command: c.AddGift, at: datetime) -> Decision:
    require_settled(state)
    if command.periods < 1:
        raise InvalidQuantity("a gift is at least one period", field="periods")
    if state.scheduled_change:
        raise ChangePending(state.id)  # the periods were given for the plan of today
    state = replace(state, prepaid_periods=state.prepaid_periods + command.periods)
    data = {"gift": command.gift_id, "periods": str(command.periods)}
    return Decision(state, notes=(Note(at, "gift_added", command.actor, data),))


def _check_ahead(until: datetime | None, at: datetime) -> None:
    """A timer cannot run for centuries, and a date near the end of the calendar has no next period."""
    if until is not None and until - at > FARTHEST:
        raise InvalidInstant("is more than ten years ahead", field="until")


def require_nothing_overdue(state: State) -> None:
    """Like `require_settled`, but an invoice that was sent may still have time.

    Raises:
        PaymentOverdue, AlreadyPaused.
    """
    sent = state.collection is not None and not state.collection.is_overdue and not state.collection.in_flight
    if not (sent and state.status is Status.ACTIVE):
        require_settled(state)


def require_settled(state: State) -> None:
    """Trialing or active with nothing owed.

    Raises:
        PaymentOverdue: if an invoice is open; it has to be paid (or the subscription cancelled) first.
        AlreadyPaused: if it is paused.
    """
    if state.status is Status.PAUSED:
        raise AlreadyPaused(state.id)
    if state.collection or state.status not in (Status.TRIALING, Status.ACTIVE):
        raise PaymentOverdue(state.id, state.status.value)
