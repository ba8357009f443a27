"""Dunning: when a failed payment is tried again, how long access lasts meanwhile, and what a decline means.

Pure dates and words. The case itself (which invoice, which attempt) is part of the subscription's state;
`docs/billing-rules/dunning.md` decides the rules. What the card networks allow on top of a policy is in `networks.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from perennial.domain.calendar import add_local_days, to_instant, to_wall
from perennial.domain.errors import InvalidPolicy


class FinalAction(StrEnum):
    """What becomes of the subscription when nothing has worked."""

    CANCEL = "cancel"
    UNPAID = "unpaid"
    PAUSE = "pause"
    SKIP = "skip"


class HardDecline(StrEnum):
    """What a permanent decline does to the case."""

    STOP = "stop"
    """No more retries; the case waits for another payment method until it closes."""
    FINAL_ACTION = "final_action"
    """The case ends at once."""


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """Days are calendar days in the subscription's zone, counted from the first failure.

    Raises:
        InvalidPolicy: if offsets do not rise from at least one day, or the grace is below zero.
    """

    retry_offsets_days: tuple[int, ...]
    grace_days: int | None
    """Access lasts that long while the case is open; None: until it closes."""
    final_action: FinalAction
    on_hard_decline: HardDecline
    retry_hour: int | None = None
    """The local hour of retries, 0 to 23; None: the local time of the first failure."""
    prefer_paydays: bool = False
    """Whether a retry for want of money waits for the next likely payday, as far as it comes before the next one."""

    def __post_init__(self) -> None:
        offsets = self.retry_offsets_days
        if any(later <= earlier for earlier, later in zip((0, *offsets), offsets, strict=False)):
            raise InvalidPolicy(f"retry offsets must rise from one day on, not {offsets}", field="retry_offsets_days")
        if self.grace_days is not None and self.grace_days < 0:
            raise InvalidPolicy("a grace below zero would end before the failure", field="grace_days")
        if self.retry_hour is not None and not 0 <= self.retry_hour <= 23:  # noqa: PLR2004 - hours of a day
            raise InvalidPolicy("an hour is from 0 to 23", field="retry_hour")

    def days_of_retry(self, k: int) -> range:
        """The days after the first failure on which retry `k` (from 0) may be made, the intended one first."""
        offsets = self.retry_offsets_days
        after = offsets[k + 1] if k + 1 < len(offsets) else max(offsets[k], self.grace_days or 0) + 1
        return range(offsets[k], after)


DEFAULT_POLICY = DunningPolicy(
    retry_offsets_days=(1, 3, 7, 14),
    grace_days=14,
    final_action=FinalAction.CANCEL,
    on_hard_decline=HardDecline.STOP,
)


def retry_at(
    policy: DunningPolicy, first_failure_at: datetime, timezone: str, k: int, code: str | None = None
) -> datetime:
    """When retry `k` (from 0) is due after a decline with `code`, in UTC: at the policy's hour, or the failure's."""
    days = policy.days_of_retry(k)
    offset = days[0]
    if policy.prefer_paydays and code in WANT_OF_MONEY:
        first = to_wall(first_failure_at, timezone).date()
        offset = next((day for day in days if is_likely_payday(first + timedelta(days=day))), offset)
    at = add_local_days(first_failure_at, offset, timezone)
    if policy.retry_hour is None:
        return at
    wall = to_wall(at, timezone).replace(hour=policy.retry_hour, minute=0, second=0)
    return to_instant(wall, timezone)


# The first, the fifteenth and the last of a month: when most salaries are paid, monthly or twice a month (bls.gov,
# "Length of pay periods in the Current Employment Statistics survey"). Checked 2026-11-21.
WANT_OF_MONEY = frozenset({"insufficient_funds", "withdrawal_count_limit_exceeded", "card_velocity_exceeded"})


def is_likely_payday(day: date) -> bool:
    return day.day in (1, 15) or (day + timedelta(days=1)).day == 1


def grace_ends_at(policy: DunningPolicy, first_failure_at: datetime, timezone: str) -> datetime | None:
    """When access is suspended if the case is still open, in UTC; None when it lasts as long as the case."""
    if policy.grace_days is None:
        return None
    return add_local_days(first_failure_at, policy.grace_days, timezone)


def closes_at(policy: DunningPolicy, first_failure_at: datetime, timezone: str) -> datetime:
    """When the final action is taken, in UTC: the later of the last retry and the end of grace."""
    days = max((*policy.retry_offsets_days, policy.grace_days or 0, 0))
    return add_local_days(first_failure_at, days, timezone)


class DeclineClass(StrEnum):
    """What a decline says about trying again."""

    SOFT = "soft"
    """May work later: retried by the policy."""
    HARD = "hard"
    """Never works with this payment method."""
    NEEDS_CUSTOMER = "needs_customer"
    """Works only after the customer has done something."""

    @property
    def retries_by_itself(self) -> bool:
        return self is DeclineClass.SOFT


# The words are Stripe's, which the other gateways' adapters translate into: docs.stripe.com/declines/codes.
_HARD = frozenset(
    {
        "account_closed",
        "bank_account_closed",
        "bank_account_restricted",
        "bank_account_unusable",
        "card_not_supported",
        "currency_not_supported",
        "debit_not_authorized",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "no_account",
        "not_permitted",
        "pickup_card",
        "previously_declined_do_not_retry",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    }
)
_NEEDS_CUSTOMER = frozenset(
    {
        "authentication_not_handled",
        "authentication_required",
        "expired_card",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_pin",
        "incorrect_zip",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_pin",
        "mobile_device_authentication_required",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "pin_try_exceeded",
    }
)
# A thief who tries a card must not learn that it is known as stolen: these are shown as a plain decline.
_NEVER_SHOWN = frozenset(
    {
        "fraudulent",
        "highest_risk_level",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "restricted_card",
        "stolen_card",
    }
)


def classify(code: str) -> DeclineClass:
    """What a decline code means. An unknown one is soft: retries stay within the policy and the networks' budget."""
    if code in _HARD:
        return DeclineClass.HARD
    if code in _NEEDS_CUSTOMER:
        return DeclineClass.NEEDS_CUSTOMER
    return DeclineClass.SOFT


def disclosable(code: str) -> bool:
    """Whether the customer may be told this reason."""
    return code not in _NEVER_SHOWN
