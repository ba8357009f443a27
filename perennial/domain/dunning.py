"""Dunning: when a failed payment is tried again, how long access lasts meanwhile, and by which channel that is told.

Pure dates and words. The case itself (which invoice, which attempt) is part of the subscription's state;
`docs/billing-rules/dunning.md` decides the rules. What a decline means is in `declines.py`, what the card networks
allow on top of a policy in `networks.py`.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from perennial.domain.calendar import add_local_days, to_instant, to_wall
from perennial.domain.declines import wants_money
from perennial.domain.errors import InvalidPolicy

EMAIL = "email"
_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class FinalAction(StrEnum):
    """What becomes of the subscription when nothing has worked. `keep` is another word for `skip`: it goes on."""

    CANCEL = "cancel"
    UNPAID = "unpaid"
    PAUSE = "pause"
    SKIP = "skip"

    @classmethod
    def _missing_(cls, value: object) -> "FinalAction | None":
        return cls.SKIP if value == "keep" else None


class HardDecline(StrEnum):
    """What a permanent decline does to the case."""

    STOP = "stop"
    """No more retries; the case waits for another payment method until it closes."""
    FINAL_ACTION = "final_action"
    """The case ends at once."""


class CaseMessage(StrEnum):
    """What is told in a case, by the name of the message."""

    PAYMENT_FAILED = "payment_failed"
    PAYMENT_ACTION_REQUIRED = "payment_action_required"
    PAYMENT_OVERDUE = "payment_overdue"
    ACCESS_SUSPENDED = "access_suspended"
    SUBSCRIPTION_UNPAID = "subscription_unpaid"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    SUBSCRIPTION_CANCELED = "subscription_canceled"


@dataclass(frozen=True, slots=True)
class Notice:
    """From step `from_step` on `message` goes out by these channels; none: it is not told.

    Step 0 is the first failure, step k the k-th retry of the policy and what follows it until the next.

    Raises:
        InvalidPolicy: if a channel is named twice or has no proper name, or the step is below zero.
    """

    message: CaseMessage
    channels: tuple[str, ...]
    from_step: int = 0

    def __post_init__(self) -> None:
        if len(set(self.channels)) < len(self.channels) or not all(map(_CHANNEL.fullmatch, self.channels)):
            raise InvalidPolicy(f"channels are different names in lower case, not {self.channels}", field="notices")
        if self.from_step < 0:
            raise InvalidPolicy("the first step is 0", field="notices")


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """Days are calendar days in the subscription's zone, counted from the first failure.

    Raises:
        InvalidPolicy: if offsets do not rise from at least one day, the grace is below zero, or two notices say by
            which channels the same message goes out from the same step on.
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
    notices: tuple[Notice, ...] = ()
    """By which channels what is told; what none of them names goes out by mail."""
    code: str | None = None
    """Which row of `dunning_policies` this is a copy of, if it is one; with its `version`."""
    version: int | None = None

    def __post_init__(self) -> None:
        offsets = self.retry_offsets_days
        if any(later <= earlier for earlier, later in zip((0, *offsets), offsets, strict=False)):
            raise InvalidPolicy(f"retry offsets must rise from one day on, not {offsets}", field="retry_offsets_days")
        if self.grace_days is not None and self.grace_days < 0:
            raise InvalidPolicy("a grace below zero would end before the failure", field="grace_days")
        if self.retry_hour is not None and not 0 <= self.retry_hour <= 23:  # noqa: PLR2004 - hours of a day
            raise InvalidPolicy("an hour is from 0 to 23", field="retry_hour")
        if len({(notice.message, notice.from_step) for notice in self.notices}) < len(self.notices):
            raise InvalidPolicy("two notices for one message begin at the same step", field="notices")

    @property
    def name(self) -> str | None:
        """`gentle@3`; None for one that was written out where it is used."""
        return self.code and f"{self.code}@{self.version}"

    def channels(self, message: CaseMessage, step: int) -> tuple[str, ...]:
        """By which channels `message` goes out at `step`."""
        begun = [notice for notice in self.notices if notice.message is message and notice.from_step <= step]
        return max(begun, key=lambda notice: notice.from_step).channels if begun else (EMAIL,)

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
    if policy.prefer_paydays and wants_money(code, first_failure_at):
        first = to_wall(first_failure_at, timezone).date()
        offset = next((day for day in days if is_likely_payday(first + timedelta(days=day))), offset)
    at = add_local_days(first_failure_at, offset, timezone)
    if policy.retry_hour is None:
        return at
    wall = to_wall(at, timezone).replace(hour=policy.retry_hour, minute=0, second=0)
    return to_instant(wall, timezone)


def is_likely_payday(day: date) -> bool:
    """The first, the fifteenth and the last of a month: most salaries are paid monthly or twice a month.

    Source: bls.gov, "Length of pay periods in the Current Employment Statistics survey". Checked 2026-11-21.
    """
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
