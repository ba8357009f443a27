"""The worth of a part of a period: mid-period changes, short first periods and short last ones.

A share is an exact fraction of the whole plan period; amounts are rounded once, each on its own. The rules and the
points that public sources leave open are decided in `docs/billing-rules/proration.md`.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

from perennial.domain.calendar import Interval, Period, local_days, to_wall
from perennial.domain.errors import InvalidPeriod
from perennial.domain.money import round_half_away

_DAYS_OF_A_MONTH = 30
_SHORTEST_MONTH = 28


class ProrationBasis(StrEnum):
    """What a share is counted in."""

    SECOND = "second"
    """Elapsed seconds on the UTC time line."""
    DAY = "day"
    """Calendar days in the subscription's zone."""
    THIRTY_DAY = "thirty_day"
    """Actual calendar days over thirty for each month."""
    STRICT_30_360 = "strict_30_360"
    """Days of a calendar in which every month has thirty."""
    NONE = "none"
    """A part of a period is worth nothing: neither credit nor charge."""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """Minor units, both positive: what the unused old part gives back and what the rest of the new one costs."""

    credit: int
    debit: int

    @property
    def net(self) -> int:
        """The difference of two rounded numbers; negative when the customer gets money back."""
        return self.debit - self.credit


def share(
    basis: ProrationBasis,
    *,
    full: Period,
    service: Period,
    timezone: str,
    interval: Interval | None = None,
) -> Fraction:
    """The part of the `full` plan period that `service` is, from 0 to 1; the whole is 1 in every basis but `none`.

    `interval` is the plan's, if it is known: without it the bases of thirty days read the number of months off the
    dates of the full period.

    Raises:
        InvalidPeriod: if the service is not inside the full period.
    """
    if not full.covers(service):
        raise InvalidPeriod("a service outside of its plan period has no share of it", field="service")
    if basis is ProrationBasis.NONE:
        return Fraction(0)
    if service == full:
        return Fraction(1)
    numerator, denominator = _counted(basis, full, service, timezone, interval)
    if not denominator:
        # No calendar day begins within the full period: nothing but seconds can divide it.
        numerator, denominator = _micros(service), _micros(full)
    # Actual days over thirty exceed a whole on a 31st, a strict count does after a February.
    return min(Fraction(max(numerator, 0), denominator), Fraction(1))


def partial_period(
    amount: int,
    basis: ProrationBasis,
    *,
    full: Period,
    service: Period,
    timezone: str,
    interval: Interval | None = None,
) -> int:
    """What `service` costs, in minor units, when the full period costs `amount`. Rounded once.

    Raises:
        InvalidPeriod: if the service is not inside the full period.
    """
    return round_half_away(amount * share(basis, full=full, service=service, timezone=timezone, interval=interval))


def plan_change(
    old_amount: int,
    new_amount: int,
    change_at: datetime,
    basis: ProrationBasis,
    *,
    period: Period,
    timezone: str,
    full: Period | None = None,
    reset_cycle: bool = False,
    interval: Interval | None = None,
) -> PlanChange:
    """Credit for the unused rest of the old amount, charge for the rest of the new one; each rounded on its own.

    Args:
        old_amount: minor units of a whole plan period, discounts already taken off.
        new_amount: the same of the new plan.
        change_at: an instant in `period`, ends included. By days, the day of the change belongs to the new plan.
        basis: what the share is counted in.
        period: what the customer has been billed for.
        timezone: IANA name, for the bases that count days.
        full: the whole plan period, when the customer joined in its middle; it alone is the denominator.
        reset_cycle: a new cycle starts at `change_at`, so the new amount is charged whole.
        interval: the old plan's, if it is known; see `share`.

    Raises:
        InvalidPeriod: if the change is outside the period, or the period outside the full one.
    """
    if not period.start <= change_at <= period.end:
        raise InvalidPeriod(f"{change_at.isoformat()} is not in the period to change", field="change_at")
    rest = Period(change_at, period.end)
    left = share(basis, full=full or period, service=rest, timezone=timezone, interval=interval)
    return PlanChange(
        credit=round_half_away(old_amount * left),
        debit=new_amount if reset_cycle else round_half_away(new_amount * left),
    )


def _counted(
    basis: ProrationBasis, full: Period, service: Period, timezone: str, interval: Interval | None
) -> tuple[int, int]:
    match basis:
        case ProrationBasis.SECOND:
            return _micros(service), _micros(full)
        case ProrationBasis.DAY:
            return local_days(service.start, service.end, timezone), local_days(full.start, full.end, timezone)
        case ProrationBasis.THIRTY_DAY | ProrationBasis.STRICT_30_360:
            months = interval.months if interval else _months(full, timezone)
            if not months:
                # Thirty days to a month mean nothing for weeks and days: they are counted as they are.
                return _counted(ProrationBasis.DAY, full, service, timezone, interval)
            if basis is ProrationBasis.THIRTY_DAY:
                return local_days(service.start, service.end, timezone), _DAYS_OF_A_MONTH * months
            return _days_360(service, timezone), _DAYS_OF_A_MONTH * months
        case ProrationBasis.NONE:
            return 0, 1
        case _:
            assert_never(basis)


def _micros(period: Period) -> int:
    length = period.length
    return (length.days * 86_400 + length.seconds) * 1_000_000 + length.microseconds


def _days_360(period: Period, timezone: str) -> int:
    start, end = to_wall(period.start, timezone), to_wall(period.end, timezone)
    return _ordinal_360(end) - _ordinal_360(start)


def _ordinal_360(day: date) -> int:
    return 360 * day.year + _DAYS_OF_A_MONTH * day.month + min(day.day, _DAYS_OF_A_MONTH)


def _months(full: Period, timezone: str) -> int:
    """Whole months between the local dates, or 0 if they are none.

    Both ends carry the anchor's day of the month, unless one of them was clamped to the last day of its month.
    """
    start, end = to_wall(full.start, timezone), to_wall(full.end, timezone)
    months = 12 * (end.year - start.year) + end.month - start.month
    days = local_days(full.start, full.end, timezone)
    aligned = start.day == end.day or _is_last(start) or _is_last(end)
    return months if aligned and days >= _SHORTEST_MONTH * months else 0


def _is_last(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]
