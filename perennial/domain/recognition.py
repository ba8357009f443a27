"""When money that was billed for service ahead becomes revenue: straight-line over the service. Pure.

Amounts are minor units without tax; those of credit lines are negative and have the same shares. What is recognised up
to an instant is rounded once, on the whole that has been earned until then, so that months always sum to the amount
(`docs/billing-rules/revenue-recognition.md`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from perennial.domain.calendar import Period, local_days, to_wall
from perennial.domain.money import round_half_away
from perennial.domain.months import Month
from perennial.domain.subscription.effects import LineKind

_TICK = timedelta(microseconds=1)
_OPEN_END = datetime.max.replace(tzinfo=UTC)


class RecognitionBasis(StrEnum):
    """What service is counted in."""

    DAY = "day"
    """Calendar days of a zone: the first counts, that of the end does not."""
    SECOND = "second"
    """Elapsed seconds on the UTC time line."""


@dataclass(frozen=True, slots=True)
class RecognisedMonth:
    """`amount` is earned in the month, `deferred` still ahead at its end."""

    month: Month
    amount: int
    deferred: int


@dataclass(frozen=True, slots=True)
class TakenOff:
    """A credit note that takes `amount` (positive, minor units) off a line at `at`."""

    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class Offset:
    """The credit line of a later invoice that takes `amount` (positive) of a line back, over its own `service`."""

    at: datetime
    amount: int
    service: Period


@dataclass(frozen=True, slots=True)
class DeferredLine:
    """A line whose amount was posted as deferred when its invoice was issued, and what became of it since.

    `taken_off` in the order of time. `voided_at`: the invoice was taken back as if it had never been issued.
    """

    amount: int
    service: Period
    issued_at: datetime
    voided_at: datetime | None = None
    taken_off: tuple[TakenOff, ...] = ()
    offsets: tuple[Offset, ...] = ()


def lies_ahead_until(kind: LineKind, service_end: datetime) -> datetime:
    """A document dated before this instant posts the line as deferred, a later one as revenue.

    The service of a gift has no end before it is claimed, whatever the line says.
    """
    return _OPEN_END if kind is LineKind.GIFT else service_end


def share(service: Period, at: datetime, basis: RecognitionBasis, timezone: str) -> Fraction:
    """The part of the service that has been given at `at`, from 0 to 1."""
    if at >= service.end:
        return Fraction(1)
    if at <= service.start:
        return Fraction(0)
    if basis is RecognitionBasis.DAY:
        days = local_days(service.start, service.end, timezone)
        if days:
            return Fraction(local_days(service.start, at, timezone), days)
    # Service within one calendar day can only be divided by its seconds.
    return Fraction(Period(service.start, at).length // _TICK, service.length // _TICK)


def recognised(
    amount: int,
    start: datetime,
    end: datetime,
    as_of: datetime,
    basis: RecognitionBasis = RecognitionBasis.DAY,
    timezone: str = "UTC",
) -> int:
    """What of `amount` has been earned at `as_of`: round(amount x share of the service until then).

    Raises:
        InvalidPeriod: if the service ends before it starts.
    """
    return round_half_away(amount * share(Period(start, end), as_of, basis, timezone))


def schedule(
    amount: int,
    start: datetime,
    end: datetime,
    basis: RecognitionBasis = RecognitionBasis.DAY,
    timezone: str = "UTC",
) -> tuple[RecognisedMonth, ...]:
    """What each calendar month of the service earns; the amounts sum to `amount`.

    A month that holds none of the service (by days: none of its days) has no row.

    Raises:
        InvalidPeriod: if the service ends before it starts.
    """
    service = Period(start, end)
    months, earned = [], 0
    month = Month.of(start, timezone)
    while True:
        until = month.end(timezone)
        so_far = round_half_away(amount * share(service, until, basis, timezone))
        months.append(RecognisedMonth(month, so_far - earned, amount - so_far))
        if _is_over(service, until, basis, timezone):
            return tuple(months)
        earned, month = so_far, month.next


def earned(line: DeferredLine, as_of: datetime, timezone: str) -> int:
    """What of the line is revenue at `as_of`, by days; what is not is deferred, or has been taken off.

    A credit note takes off first what has not been earned when it is issued, as far as credit lines of later invoices
    have not taken that already; the rest of it takes back revenue, at once. What is then left unearned is spread over
    the days that are left.
    """
    if as_of <= line.issued_at or (line.voided_at is not None and line.voided_at < as_of):
        return 0
    scale, gone = Fraction(line.amount), 0
    for note in line.taken_off:
        if note.at >= as_of:
            break
        gone += note.amount
        rest = 1 - share(line.service, note.at, RecognitionBasis.DAY, timezone)
        if rest:
            unearned = scale * rest
            free = unearned - _taken_by_lines(line.offsets, note.at, timezone)
            scale = (unearned - min(Fraction(note.amount), max(free, Fraction(0)))) / rest
    rest = 1 - share(line.service, as_of, RecognitionBasis.DAY, timezone)
    return round_half_away(line.amount - gone - scale * rest)


def gift_earned(amount: int, served_days: int, all_days: int, *, is_over: bool) -> int:
    """What of a claimed gift is revenue when so many of its days have been served; all of it once it `is_over`."""
    return amount if is_over else round_half_away(amount * Fraction(min(served_days, all_days), all_days))


def _taken_by_lines(offsets: Sequence[Offset], at: datetime, timezone: str) -> Fraction:
    """What of the unearned part has been given back on later invoices."""
    return sum(
        (
            part.amount * (1 - share(part.service, at, RecognitionBasis.DAY, timezone))
            for part in offsets
            if part.at <= at
        ),
        Fraction(0),
    )


def _is_over(service: Period, until: datetime, basis: RecognitionBasis, timezone: str) -> bool:
    if until >= service.end:
        return True
    # By days nothing is left for the month in which the service ends on the first.
    return basis is RecognitionBasis.DAY and to_wall(until, timezone).date() >= to_wall(service.end, timezone).date()
