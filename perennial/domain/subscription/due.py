"""What is due next. Pure: the workflow sleeps until it, previews walk along it, tests count it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from perennial.domain import calendar, dunning
from perennial.domain.subscription import disputes
from perennial.domain.subscription.state import SpanKind, State, Status

TRIAL_REMINDER_DAYS = 3
GIFT_REMINDER_DAYS = 7


class DueKind(StrEnum):
    """In the order in which equal instants are acted upon.

    What a dispute asks for comes before anything is charged. A resumption follows, so that what it shifts is not acted
    upon too early. A last retry may still save what the end of dunning would give up. What ends or changes a
    subscription at a boundary comes before the renewal that the boundary would bring, and a reminder last: by then it
    may have become pointless.
    """

    DISPUTE = "dispute"
    RESUME = "resume"
    PAYMENT_RETRY = "payment_retry"
    PAYMENT_OVERDUE = "payment_overdue"
    GRACE_END = "grace_end"
    DUNNING_END = "dunning_end"
    EXPIRY = "expiry"
    CANCELLATION = "cancellation"
    PAUSE = "pause"
    CHANGE = "change"
    TRIAL_END = "trial_end"
    RENEWAL = "renewal"
    TRIAL_REMINDER = "trial_reminder"
    RENEWAL_REMINDER = "renewal_reminder"
    GIFT_REMINDER = "gift_reminder"


ORDER = tuple(DueKind)
_IN_THE_HERD = (DueKind.TRIAL_END, DueKind.RENEWAL)


@dataclass(frozen=True, slots=True)
class Due:
    """Something that happens by itself at `at` (UTC, exact)."""

    kind: DueKind
    at: datetime


def next_due(state: State) -> Due | None:
    """The earliest thing that is due, or None when only a command can move the subscription."""
    return min(all_due(state), key=lambda due: (due.at, ORDER.index(due.kind)), default=None)


def wake_at(state: State, due: Due) -> datetime:
    """When to act on it: renewals are spread over the window by a stable hash, so that the first of a month is no herd.

    The boundary itself stays exact; only the work is late.
    """
    if due.kind not in _IN_THE_HERD or not state.renewal_window_seconds:
        return due.at
    slot = int.from_bytes(sha256(state.id.encode()).digest()[:8], "big") % state.renewal_window_seconds
    return due.at + timedelta(seconds=slot)


def all_due(state: State) -> Iterator[Due]:
    """Everything that is ahead, in no order. Nothing, while it is parked."""
    if state.parked_at:
        return
    if disputes.answer(state):
        yield Due(DueKind.DISPUTE, state.as_of)
    case = state.collection
    if case and case.due_at and not case.is_overdue and not case.in_flight and not state.status.is_ended:
        # After it was parked over its day: dunning counts from then, so that nobody is chased within a second.
        yield Due(DueKind.PAYMENT_OVERDUE, max(case.due_at, state.as_of))
    if state.status is Status.PAUSED:
        if state.pause and state.pause.until and not state.is_frozen:
            yield Due(DueKind.RESUME, state.pause.until)
        if state.cancellation:  # asked for before it was frozen: its day stands
            yield Due(DueKind.CANCELLATION, state.cancellation.at)
        return
    if state.status is Status.INCOMPLETE and state.incomplete_until:
        yield Due(DueKind.EXPIRY, state.incomplete_until)
    if state.status is Status.UNPAID and state.cancellation:
        yield Due(DueKind.CANCELLATION, state.cancellation.at)
    if not state.status.renews:
        return
    yield from _dunning(state)
    yield from _boundary(state)
    yield from _reminders(state)


def _dunning(state: State) -> Iterator[Due]:
    case = state.collection
    if case is None or case.first_failed_at is None or state.status is not Status.PAST_DUE:
        return
    policy = state.policy
    if case.waits_for is None and case.retries_used < len(policy.retry_offsets_days):
        at = dunning.retry_at(policy, case.first_failed_at, state.timezone, case.retries_used, case.code)
        yield Due(DueKind.PAYMENT_RETRY, at)
    closes = dunning.closes_at(policy, case.first_failed_at, state.timezone)
    grace = dunning.grace_ends_at(policy, case.first_failed_at, state.timezone)
    if grace and grace < closes and not case.suspended:
        yield Due(DueKind.GRACE_END, grace)
    yield Due(DueKind.DUNNING_END, closes)


def _boundary(state: State) -> Iterator[Due]:
    if state.cancellation:
        yield Due(DueKind.CANCELLATION, state.cancellation.at)
    if state.scheduled_pause:
        yield Due(DueKind.PAUSE, state.scheduled_pause.at)
    if state.scheduled_change:
        yield Due(DueKind.CHANGE, state.scheduled_change.at)
    kind = DueKind.TRIAL_END if state.status is Status.TRIALING else DueKind.RENEWAL
    yield Due(kind, state.period.end)


def _reminders(state: State) -> Iterator[Due]:
    if state.reminded_period == state.period_no or state.cancellation:
        return
    if state.status is Status.TRIALING:
        kind, days = DueKind.TRIAL_REMINDER, TRIAL_REMINDER_DAYS
    elif state.span.kind is SpanKind.PREPAID and state.gift_id and not state.prepaid_periods:
        kind, days = DueKind.GIFT_REMINDER, GIFT_REMINDER_DAYS
    elif state.terms.reminder_days is not None and state.status is Status.ACTIVE:
        kind, days = DueKind.RENEWAL_REMINDER, state.terms.reminder_days
    else:
        return
    at = calendar.add_local_days(state.period.end, -days, state.timezone)
    if at > state.period.start:
        yield Due(kind, at)
