"""When each period should have ended, derived anew: from the beginning of a life, the plan's interval and the calendar.

Nothing here asks what the subscription itself holds for its boundaries; only what happened to it (spans of service,
changes of plan) is taken from the record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, takewhile

from perennial.domain import calendar
from perennial.domain.calendar import Interval
from perennial.engine.context import Engine

# How late a renewal may be by machine time before it counts as missed, the herd's window aside.
TOLERANCE = timedelta(minutes=5)
PAUSED, UNPAID, ENDED, TRIAL = "paused", "unpaid", "ended", "trial"
GAPS = frozenset({PAUSED, UNPAID, ENDED})


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of service as recorded; `end` None while it is open."""

    start: datetime
    end: datetime | None
    kind: str
    period_no: int


@dataclass(frozen=True, slots=True)
class Life:
    """`reached` is the instant by which everything due has been acted upon. `intervals` are those agreed, with the
    instant from which each holds; `closings` instants at which a cancellation was to end it; `revivals` those at which
    it began anew after its end. `given_up`: it ended with invoices that were given up, which after an outage is written
    down as late as it was done.
    """

    id: str
    created_at: datetime
    ended_at: datetime | None
    timezone: str
    reached: datetime
    stretches: Sequence[Stretch]
    intervals: Sequence[tuple[datetime, Interval]]
    closings: frozenset[datetime] = frozenset()
    revivals: frozenset[datetime] = frozenset()
    given_up: bool = False


@dataclass(slots=True)
class Verdict:
    """`due` renewals (and ends of trials) should have happened by now, `missed` of them did not."""

    due: int = 0
    missed: int = 0
    problems: list[str] = field(default_factory=list)


def lateness(engine: Engine) -> timedelta:
    return TOLERANCE + timedelta(seconds=engine.settings.renewal_window_seconds)


def inspect(life: Life) -> Verdict:
    """Follow a life period by period and compare each end with the calendar's."""
    verdict = Verdict()
    periods = [tuple(group) for _, group in groupby(life.stretches, key=lambda stretch: stretch.period_no)]
    anchor, index, restarts = calendar.to_wall(life.created_at, life.timezone), 0, True
    interval: Interval | None = None
    for position, period in enumerate(periods):
        start = period[0].start
        agreed = _interval_at(life.intervals, start)
        if restarts or agreed != interval or _begins_anew(life, start):
            anchor, index = calendar.to_wall(start, life.timezone), 0
        else:
            index += 1
        interval = agreed
        following = periods[position + 1] if position + 1 < len(periods) else None
        step = _Period(period, following[0].start if following else None, _ends(life, anchor, agreed, index, period))
        index += _judge(life, step, verdict)
        restarts = period[-1].kind in GAPS or _was_paused(period) or _is_trial(period)
    return verdict


@dataclass(frozen=True, slots=True)
class _Period:
    """`ends` are the boundaries from the end of this period on, as they would follow if nothing else happened."""

    stretches: tuple[Stretch, ...]
    next_start: datetime | None
    ends: Iterator[datetime]


def _judge(life: Life, period: _Period, verdict: Verdict) -> int:
    """Returns how many boundaries were passed over before the next period began."""
    last = period.stretches[-1]
    number, end = last.period_no, next(period.ends)
    stopped = _stopped(period.stretches) or (life.ended_at if period.next_start is None else None)
    if stopped is not None:
        if stopped > end and end not in life.closings and not life.given_up:
            _miss(verdict, period, stopped, end, f"period {number} should have ended on {end}, it ran until {stopped}")
    elif period.next_start is None:
        if last.end is not None and last.end != end:
            verdict.problems.append(f"period {number} ends on {last.end}, by the calendar on {end}")
        if end <= life.reached:
            _miss(verdict, period, life.reached, end, f"period {number} ended on {end} and nothing followed")
    elif period.next_start > end:
        verdict.due += 1
        problem = f"a renewal was due on {end}, the next one came on {period.next_start}"
        return _miss(verdict, period, period.next_start, end, problem)
    elif period.next_start < end:
        if not _begins_anew(life, period.next_start):
            verdict.problems.append(f"period {number + 1} began on {period.next_start}, before {end}")
    else:
        verdict.due += 1
    return 0


def _stopped(stretches: tuple[Stretch, ...]) -> datetime | None:
    """When service stopped for good in this period: it may have been unpaid for a while before it ended."""
    gaps = list(takewhile(lambda stretch: stretch.kind in GAPS, reversed(stretches)))
    return gaps[-1].start if gaps else None


def _miss(verdict: Verdict, period: _Period, until: datetime, end: datetime, problem: str) -> int:
    missed = 1
    while end < until and (end := next(period.ends)) < until:
        missed += 1
    verdict.due += missed
    verdict.missed += missed
    verdict.problems.append(problem)
    return missed


def _ends(
    life: Life, anchor: datetime, interval: Interval, index: int, period: tuple[Stretch, ...]
) -> Iterator[datetime]:
    """A pause makes the period longer by what it took; how long a trial is was agreed when it began."""
    if _is_trial(period):
        served = [stretch.end for stretch in period if stretch.kind not in GAPS and stretch.end]
        yield max(served, default=life.reached)
        anchor, index = calendar.to_wall(max(served, default=life.reached), life.timezone), 0
    shift = _paused_within(period)
    while True:
        index += 1
        yield calendar.boundary(anchor, interval, life.timezone, index) + shift


def _paused_within(period: tuple[Stretch, ...]) -> timedelta:
    """Pauses that were resumed within the period."""
    return sum(
        (gap.end - gap.start for gap in period[:-1] if gap.kind == PAUSED and gap.end is not None),
        start=timedelta(),
    )


def _was_paused(period: tuple[Stretch, ...]) -> bool:
    """Resuming makes the new end of the period the anchor. A pause without length leaves no span and moves nothing."""
    return any(stretch.kind == PAUSED for stretch in period)


def _is_trial(period: tuple[Stretch, ...]) -> bool:
    return any(stretch.kind == TRIAL for stretch in period)


def _interval_at(intervals: Sequence[tuple[datetime, Interval]], at: datetime) -> Interval:
    """The one agreed last by then; the first one before anything was agreed."""
    return next((interval for since, interval in reversed(intervals) if since <= at), intervals[0][1])


def _begins_anew(life: Life, at: datetime) -> bool:
    """Whether a period may begin at this very instant although none was due: revived, or another interval was agreed.

    On a test clock several things share an instant, so an end and a revival may leave no gap between them, and an
    interval may be changed to another one and back.
    """
    before = _interval_at(life.intervals, at - timedelta(microseconds=1))
    changed = any(since == at and interval != before for since, interval in life.intervals)
    return at in life.revivals or (changed and at > life.created_at)
