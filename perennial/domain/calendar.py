"""Billing periods: counted from an anchor in local wall time, never from the period before.

Anchors and wall times are naive datetimes in the subscription's own zone; instants are aware and in UTC; a zone travels
as its IANA name. What these functions answer is printed on invoices: `docs/billing-rules/calendar.md` decides it and a
table of frozen results guards it.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never
from zoneinfo import ZoneInfo

from perennial.domain.errors import InvalidInstant, InvalidInterval, InvalidPeriod, UnknownTimezone

_MONTHS_A_YEAR = 12


class IntervalUnit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Interval:
    """How long a billing period is: `count` calendar units.

    Raises:
        InvalidInterval: if the count is below one.
    """

    unit: IntervalUnit
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidInterval(f"an interval of {self.count} {self.unit}s has no length", field="interval")

    @property
    def months(self) -> int | None:
        """Whole months, or None for intervals of days and weeks."""
        match self.unit:
            case IntervalUnit.MONTH:
                return self.count
            case IntervalUnit.YEAR:
                return self.count * _MONTHS_A_YEAR
            case IntervalUnit.DAY | IntervalUnit.WEEK:
                return None
            case _:
                assert_never(self.unit)

    def __str__(self) -> str:
        return self.unit.value if self.count == 1 else f"{self.count} {self.unit.value}s"


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open on the UTC time line: the start belongs to it, the end to the next one. It may be empty.

    Raises:
        InvalidInstant: if an end has no time zone.
        InvalidPeriod: if it ends before it starts.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise InvalidInstant("a period needs instants with a time zone", field="period")
        if self.end < self.start:
            raise InvalidPeriod(f"{self.end.isoformat()} is before {self.start.isoformat()}", field="period")

    @property
    def seconds(self) -> int:
        """Whole seconds elapsed on the UTC time line."""
        return self.length // timedelta(seconds=1)

    @property
    def length(self) -> timedelta:
        """Exact elapsed time, clock changes included."""
        # Subtracting two datetimes of one ZoneInfo would give the difference of the wall clocks.
        return self.end.astimezone(UTC) - self.start.astimezone(UTC)

    def contains(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def covers(self, other: "Period") -> bool:
        """Whether `other` lies inside, ends included."""
        return self.start <= other.start and other.end <= self.end


def check_timezone(name: str) -> str:
    """The name itself, if it is one of the IANA database.

    Raises:
        UnknownTimezone: if it is not.
    """
    # These folders of the database hold the same zones again, "right" with leap seconds: 27 seconds off civil time.
    if name.startswith(("right/", "posix/")) or name in ("localtime", "posixrules"):
        raise UnknownTimezone(name)
    _zone(name)
    return name


def to_instant(wall: datetime, timezone: str) -> datetime:
    """The UTC instant of a local wall time.

    A time inside a gap moves forward by the length of the gap; one that occurs twice means its first occurrence. Both
    are what PEP 495 gives for fold=0: the offset from before the transition.

    Raises:
        InvalidInstant: if `wall` already has a zone.
        UnknownTimezone: if the zone is none.
    """
    if wall.tzinfo is not None:
        raise InvalidInstant(f"{wall.isoformat()} is an instant, not a wall time")
    return wall.replace(tzinfo=_zone(timezone), fold=0).astimezone(UTC)


def to_wall(instant: datetime, timezone: str) -> datetime:
    """The local wall time of an instant, naive. Both passes through a repeated hour read the same.

    Raises:
        InvalidInstant: if `instant` has no zone.
        UnknownTimezone: if the zone is none.
    """
    if instant.tzinfo is None:
        raise InvalidInstant(f"{instant.isoformat()} has no time zone")
    return instant.astimezone(_zone(timezone)).replace(tzinfo=None, fold=0)


def boundary(anchor: datetime, interval: Interval, timezone: str, index: int) -> datetime:
    """The UTC instant at which period `index` starts and the one before it ends.

    Always anchor + index x interval in local wall time, clamped to the last day of the month, so that the 31st comes
    back after February. Days and weeks are calendar days, not steps of 24 hours.

    Raises:
        InvalidInterval: if that is outside the years 1 to 9999.
        InvalidInstant: if the anchor has a zone.
        UnknownTimezone: if the zone is none.
    """
    try:
        return to_instant(_step(anchor, interval, index), timezone)
    except (OverflowError, ValueError):
        raise InvalidInterval(f"period {index} of every {interval} is beyond the calendar", field="interval") from None


def period(anchor: datetime, interval: Interval, timezone: str, index: int) -> Period:
    """Period `index`; the errors are those of `boundary`."""
    return Period(boundary(anchor, interval, timezone, index), boundary(anchor, interval, timezone, index + 1))


def local_days(start: datetime, end: datetime, timezone: str) -> int:
    """Calendar days from the local date of `start` to the local date of `end`; the first counts, the last does not."""
    return (to_wall(end, timezone).date() - to_wall(start, timezone).date()).days


def add_local_days(instant: datetime, days: int, timezone: str) -> datetime:
    """The instant some calendar days later (or earlier), at the same wall time; for zero days the instant itself.

    Raises:
        InvalidInterval: if that is outside the years 1 to 9999.
    """
    if not days:
        return instant.astimezone(UTC)
    try:
        return to_instant(to_wall(instant, timezone) + timedelta(days=days), timezone)
    except OverflowError:
        raise InvalidInterval(f"{days} days from {instant.isoformat()} are beyond the calendar") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)  # keeps its own cache
    except (KeyError, ValueError, OSError, TypeError):
        # An unknown key is a KeyError, a path a ValueError, a folder of the database ("Europe") an OSError.
        raise UnknownTimezone(name) from None


def _step(anchor: datetime, interval: Interval, index: int) -> datetime:
    steps = interval.count * index
    months = interval.months
    if months is None:
        return anchor + timedelta(days=steps if interval.unit is IntervalUnit.DAY else 7 * steps)
    year, month0 = divmod(anchor.year * _MONTHS_A_YEAR + anchor.month - 1 + months * index, _MONTHS_A_YEAR)
    day = min(anchor.day, monthrange(year, month0 + 1)[1])
    return anchor.replace(year=year, month=month0 + 1, day=day)
