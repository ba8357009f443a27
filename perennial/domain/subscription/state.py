"""What a subscription is at one moment: a value without personal data, small enough to travel with every step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from perennial.domain.calendar import Period
from perennial.domain.catalog import AddOn, DisputePolicy, PlanTerms, RefundPolicy, UsageCharge
from perennial.domain.disputes import Dispute, DisputeStatus
from perennial.domain.dunning import DunningPolicy
from perennial.domain.money import round_half_away


class Status(StrEnum):
    """`non_renewing` is no status: it is `active` with a cancellation ahead."""

    INCOMPLETE = "incomplete"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_ended(self) -> bool:
        return self in (Status.CANCELED, Status.EXPIRED)

    @property
    def renews(self) -> bool:
        """Whether the end of the period begins another one."""
        return self in (Status.TRIALING, Status.ACTIVE, Status.PAST_DUE)


class SpanKind(StrEnum):
    """What a stretch of a subscription's life is. The stretches tile the time from its start to its end."""

    TRIAL = "trial"
    PAID = "paid"
    PREPAID = "prepaid"
    SKIPPED = "skipped"
    PAUSED = "paused"
    UNPAID = "unpaid"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Discount:
    """A redeemed coupon: a percentage or an amount in minor units; `periods_left` None means for ever.

    `plans` (codes; none: every plan) are those that it is good for: on another it rests.
    """

    coupon: str
    percent: Decimal | None = None
    amount: int | None = None
    periods_left: int | None = None
    plans: tuple[str, ...] = ()
    combinable: bool = False

    def is_for(self, plan: str) -> bool:
        return not self.plans or plan in self.plans

    def off(self, amount: int) -> int:
        """How much less than `amount` is charged; never more than the amount itself."""
        if self.percent is not None:
            return min(amount, round_half_away(Fraction(amount) * Fraction(self.percent) / 100))
        return min(amount, self.amount or 0)

    def after_a_period(self) -> "Discount | None":
        if self.periods_left is None:
            return self
        return replace(self, periods_left=self.periods_left - 1) if self.periods_left > 1 else None


@dataclass(frozen=True, slots=True)
class UsageStretch:
    """Service whose usage is still to be charged, on the terms that were in force. Half-open, UTC.

    `tax_inclusive`: whether their prices hold the tax; None, in states that are older than the field: as those of the
    invoice.
    """

    period_no: int
    start: datetime
    end: datetime
    charges: tuple[UsageCharge, ...]
    tax_inclusive: bool | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """`was` and `kind` are the status and the service to return to; the rest of the period is kept until then.

    `frozen`: a dispute made it, and its end ends it.
    """

    since: datetime
    until: datetime | None
    was: Status
    kind: SpanKind
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """A change of plan, quantity or add-ons that waits for the end of the period."""

    at: datetime
    terms: PlanTerms
    quantity: int
    addons: tuple[AddOn, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduledPause:
    at: datetime
    until: datetime | None

    def moved_to(self, at: datetime) -> "ScheduledPause | None":
        """The end of the period, for which it waits, has moved. None when the pause would be over by then."""
        return replace(self, at=at) if self.until is None or self.until > at else None


def discounted(amount: int, discounts: Sequence[Discount], plan: str) -> int:
    """What is left of `amount` after each coupon in turn; those that are not for this plan rest."""
    for discount in discounts:
        if discount.is_for(plan):
            amount -= discount.off(amount)
    return amount


@dataclass(frozen=True, slots=True)
class Cancellation:
    """`refund` is what `request_id` asked for: it is known only when open invoices are closed whether there is any."""

    at: datetime
    reason: str
    refund: RefundPolicy = RefundPolicy.NONE
    request_id: str = ""


class Closing(StrEnum):
    """Why open invoices are being given up, and so what follows when they are.

    `VOID` and `WRITE_OFF` are asked for by people, for one invoice; the subscription goes on.
    """

    EXPIRE = "expire"
    REQUEST = "request"
    DUNNING = "dunning"
    VOID = "void"
    WRITE_OFF = "write_off"


class WaitsFor(StrEnum):
    """What has to come before the scheduled retries go on: after a hard decline only another payment method will do."""

    NEW_METHOD = "new_method"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of service; `end` None while it is open. A later span with the same start replaces it."""

    start: datetime
    end: datetime | None
    kind: SpanKind
    period_no: int


@dataclass(frozen=True, slots=True)
class Arrear:
    """A further open invoice. `due_at` as in `Collection`."""

    invoice: str
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """The open invoice that is being collected, and the dunning case when an attempt has failed.

    `attempt` counts attempts made for `invoice`, the one in flight among them. `retries_used` counts those of the
    policy alone. While the case `waits_for` somebody no retry is scheduled. `due_at` is that of an invoice that is sent
    instead of charged: until then nothing is wrong. `arrears` are further open invoices, oldest first, whose turn comes
    when this one is paid. `policy` is what the case began with, if that is not the plan's: a newer version of it counts
    for new cases.
    """

    invoice: str
    attempt: int
    in_flight: bool
    first_failed_at: datetime | None = None
    retries_used: int = 0
    code: str | None = None
    waits_for: WaitsFor | None = None
    suspended: bool = False
    backup_tried: bool = False
    closing: Closing | None = None
    due_at: datetime | None = None
    arrears: tuple[Arrear, ...] = ()
    policy: DunningPolicy | None = None

    @property
    def open_invoices(self) -> tuple[str, ...]:
        return (self.invoice, *(arrear.invoice for arrear in self.arrears))

    @property
    def is_overdue(self) -> bool:
        """Whether something is wrong: not so while a sent invoice may still be paid in time."""
        return self.due_at is None or self.first_failed_at is not None


@dataclass(frozen=True, slots=True)
class State:
    """One subscription. `as_of` is the last instant acted upon; nothing later is effective before it.

    `anchor` is a local wall time in `timezone`; the period has `index` counted from it and `period_no` counted over
    the whole life (it names invoices, so it never repeats). `period_amount` (minor units) is what a whole period costs
    now, `period_discount` taken off: the base of credits for the unused rest. `period_billed` is what has been billed
    for the running period less what has been credited, the most that can be given back; `period_invoices` are those
    that paid for it. `span` is the stretch of service that is running. `usage_from` is where the usage begins that no
    stretch of `usage_due` covers yet. `parked_at`: since then support has put it aside. All amounts
    are as priced: a tax on top of them is the invoice's affair.
    """

    id: str
    customer_id: str
    currency: str
    timezone: str
    terms: PlanTerms
    quantity: int
    status: Status
    created_at: datetime
    as_of: datetime
    anchor: datetime
    index: int
    period: Period
    period_no: int
    span: Span
    period_amount: int = 0
    period_billed: int = 0
    period_discounts: tuple[Discount, ...] = ()
    period_invoices: tuple[str, ...] = ()
    payment_method_id: str | None = None
    trial_end: datetime | None = None
    incomplete_until: datetime | None = None
    discounts: tuple[Discount, ...] = ()
    addons: tuple[AddOn, ...] = ()
    fees_billed: bool = False
    usage_from: datetime | None = None
    usage_due: tuple[UsageStretch, ...] = ()
    net_days: int | None = None
    dunning: DunningPolicy | None = None
    collection: Collection | None = None
    pause: Pause | None = None
    scheduled_pause: ScheduledPause | None = None
    scheduled_change: ScheduledChange | None = None
    cancellation: Cancellation | None = None
    parked_at: datetime | None = None
    skip_next: bool = False
    prepaid_periods: int = 0
    gift_id: str | None = None
    reminded_period: int = -1
    ended_at: datetime | None = None
    end_reason: str | None = None
    reactivated_at: datetime | None = None
    test_clock_id: str | None = None
    clock_offset: timedelta = timedelta()
    renewal_window_seconds: int = 0
    disputes: tuple[Dispute, ...] = ()
    step: int = 0
    applied: tuple[str, ...] = ()

    @property
    def policy(self) -> DunningPolicy:
        """What happens when a payment fails: its own, if it was given one, else the case's, else that of the plan."""
        return self.dunning or (self.collection and self.collection.policy) or self.terms.dunning

    @property
    def is_frozen(self) -> bool:
        """Whether nothing is served and no renewal charged, because a dispute is open."""
        freezes = self.terms.on_dispute is DisputePolicy.FREEZE
        return freezes and any(dispute.status is DisputeStatus.OPEN for dispute in self.disputes)

    @property
    def creditable(self) -> int:
        """The most that can be given back of the running period; nothing of one whose charge is disputed or lost."""
        taken = {dispute.invoice for dispute in self.disputes if dispute.status is not DisputeStatus.WON}
        return 0 if taken.intersection(self.period_invoices) else self.period_billed

    @property
    def is_disputed(self) -> bool:
        """Whether a charge is contested, or was and the bank agreed."""
        return any(dispute.status is not DisputeStatus.WON for dispute in self.disputes)

    @property
    def is_begun(self) -> bool:
        return self.step > 0

    @property
    def full_amount(self) -> int:
        """Minor units of a whole period on the terms of today, discounts not taken off."""
        return self.terms.amount(self.quantity, self.addons)

    @property
    def costs_something(self) -> bool:
        """Whether anything will ever be charged on the terms of today."""
        return self.full_amount > 0 or not self.terms.is_free

    @property
    def discounted_amount(self) -> int:
        """What the next whole period would cost, minor units."""
        return discounted(self.full_amount, self.discounts, self.terms.code)
