from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perennial.domain.calendar import Interval, IntervalUnit, Period, period
from perennial.domain.errors import InvalidPeriod
from perennial.domain.proration import PlanChange, ProrationBasis, partial_period, plan_change, share

SECOND, DAY, THIRTY, STRICT, NONE = ProrationBasis
AMOUNTS = st.integers(0, 10**12)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])


@st.composite
def fulls(draw: st.DrawFn) -> tuple[Period, str, Interval]:
    """A plan period as the calendar makes them."""
    zone = draw(ZONES)
    anchor = draw(st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2040-01-01")))
    unit = draw(st.sampled_from(list(IntervalUnit)))
    interval = Interval(unit, draw(st.integers(1, 6)))
    return period(anchor.replace(microsecond=0), interval, zone, draw(st.integers(0, 30))), zone, interval


@st.composite
def cuts(draw: st.DrawFn, n: int) -> tuple[Period, str, Interval, list[datetime]]:
    """A plan period and `n` instants in it, in their order."""
    full, zone, interval = draw(fulls())
    offsets = sorted(draw(st.lists(st.integers(0, full.seconds), min_size=n, max_size=n)))
    instants = [datetime.fromtimestamp(full.start.timestamp() + offset, UTC) for offset in offsets]
    return full, zone, interval, instants


bases = st.sampled_from(list(ProrationBasis))
billing_bases = st.sampled_from([SECOND, DAY, THIRTY, STRICT])


@given(fulls(), billing_bases)
def test_the_whole_period_is_the_whole(case: tuple[Period, str, Interval], basis: ProrationBasis) -> None:
    full, zone, interval = case
    assert share(basis, full=full, service=full, timezone=zone) == 1
    assert share(basis, full=full, service=full, timezone=zone, interval=interval) == 1
    assert share(NONE, full=full, service=full, timezone=zone) == 0


@given(cuts(1), bases)
def test_nothing_is_nothing(case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis) -> None:
    full, zone, interval, (at,) = case
    assert share(basis, full=full, service=Period(at, at), timezone=zone, interval=interval) == 0


@given(cuts(2), bases)
def test_a_share_is_a_part(case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis) -> None:
    full, zone, interval, (start, end) = case
    assert 0 <= share(basis, full=full, service=Period(start, end), timezone=zone, interval=interval) <= 1


@given(cuts(3), st.sampled_from([SECOND, DAY]))
def test_shares_add_up(case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis) -> None:
    full, zone, _, (a, b, c) = case
    parts = [share(basis, full=full, service=Period(*ends), timezone=zone) for ends in ((a, b), (b, c))]
    assert sum(parts) == share(basis, full=full, service=Period(a, c), timezone=zone)


@given(AMOUNTS, cuts(1), st.sampled_from([SECOND, DAY]))
def test_two_parts_are_the_whole_within_a_unit(
    amount: int, case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis
) -> None:
    full, zone, _, (at,) = case
    used = partial_period(amount, basis, full=full, service=Period(full.start, at), timezone=zone)
    rest = partial_period(amount, basis, full=full, service=Period(at, full.end), timezone=zone)
    assert abs(used + rest - amount) <= 1


@given(AMOUNTS, st.integers(1, 10**6), cuts(2), bases)
def test_more_time_and_a_higher_price_cost_no_less(
    amount: int, more: int, case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis
) -> None:
    full, zone, _, (early, late) = case
    long = partial_period(amount, basis, full=full, service=Period(early, full.end), timezone=zone)
    short = partial_period(amount, basis, full=full, service=Period(late, full.end), timezone=zone)
    dear = partial_period(amount + more, basis, full=full, service=Period(late, full.end), timezone=zone)
    assert short <= long
    assert short <= dear


@given(AMOUNTS, AMOUNTS, cuts(1), bases)
def test_a_change_gives_back_no_more_than_was_paid(
    old: int, new: int, case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis
) -> None:
    full, zone, _, (at,) = case
    change = plan_change(old, new, at, basis, period=full, timezone=zone)
    assert 0 <= change.credit <= old
    assert 0 <= change.debit <= new
    assert change.net == change.debit - change.credit
    reset = plan_change(old, new, at, basis, period=full, timezone=zone, reset_cycle=True)
    assert reset == PlanChange(change.credit, new)


@given(AMOUNTS, AMOUNTS, cuts(1), bases)
def test_a_change_and_its_reverse_cancel_out(
    old: int, new: int, case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis
) -> None:
    full, zone, _, (at,) = case
    there = plan_change(old, new, at, basis, period=full, timezone=zone)
    back = plan_change(new, old, at, basis, period=full, timezone=zone)
    assert there.net == -back.net


@given(AMOUNTS, AMOUNTS, fulls(), billing_bases)
def test_a_change_at_the_ends(old: int, new: int, case: tuple[Period, str, Interval], basis: ProrationBasis) -> None:
    full, zone, _ = case
    assert plan_change(old, new, full.start, basis, period=full, timezone=zone) == PlanChange(old, new)
    assert plan_change(old, new, full.end, basis, period=full, timezone=zone) == PlanChange(0, 0)


@given(AMOUNTS, cuts(2))
def test_in_a_short_first_period_the_whole_plan_period_divides(
    amount: int, case: tuple[Period, str, Interval, list[datetime]]
) -> None:
    full, zone, _, (joined, at) = case
    stub = Period(joined, full.end)
    change = plan_change(amount, amount, at, SECOND, period=stub, full=full, timezone=zone)
    assert change.credit == partial_period(amount, SECOND, full=full, service=Period(at, full.end), timezone=zone)


@pytest.mark.parametrize("basis", list(ProrationBasis))
def test_what_is_outside_has_no_share(basis: ProrationBasis) -> None:
    january, march = _month(1), _month(3)
    with pytest.raises(InvalidPeriod):
        share(basis, full=january, service=march, timezone="UTC")
    with pytest.raises(InvalidPeriod):
        plan_change(1, 2, march.end, basis, period=january, timezone="UTC")
    with pytest.raises(InvalidPeriod):
        plan_change(1, 2, march.start, basis, period=march, full=january, timezone="UTC")


# --- what the bases of thirty days do at the edges -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "at", "thirty", "strict"),
    [
        # 31 days: thirty actual days are a whole already
        ("2025-01-01", "2025-02-01", "2025-01-02", "1", "29/30"),
        ("2025-01-01", "2025-02-01", "2025-01-31", "1/30", "1/30"),
        ("2025-01-01", "2025-02-01", "2025-01-30", "2/30", "1/30"),
        # February: the strict calendar counts the days that are missing
        ("2025-02-01", "2025-03-01", "2025-02-28", "1/30", "3/30"),
        ("2025-02-01", "2025-03-01", "2025-02-02", "27/30", "29/30"),
        # a period clamped to the end of February, and the one after it
        ("2025-01-31", "2025-02-28", "2025-02-14", "14/30", "14/30"),
        ("2025-02-28", "2025-03-31", "2025-03-01", "1", "29/30"),
        # a quarter and a year
        ("2025-01-01", "2025-04-01", "2025-03-01", "31/90", "30/90"),
        ("2024-02-29", "2025-02-28", "2024-03-31", "334/360", "328/360"),
        # weeks and days have no thirty days: they are counted as they are
        ("2025-01-01", "2025-01-08", "2025-01-03", "5/7", "5/7"),
        ("2025-01-29", "2025-02-05", "2025-02-01", "4/7", "4/7"),
    ],
)
def test_thirty_days_to_a_month(start: str, end: str, at: str, thirty: str, strict: str) -> None:
    full = Period(_day(start), _day(end))
    rest = Period(_day(at), _day(end))
    assert share(THIRTY, full=full, service=rest, timezone="UTC") == Fraction(thirty)
    assert share(STRICT, full=full, service=rest, timezone="UTC") == Fraction(strict)


def test_the_interval_settles_what_dates_leave_open() -> None:
    """Four weeks from 31 January look like a month."""
    full, rest = Period(_day("2025-01-31"), _day("2025-02-28")), Period(_day("2025-02-14"), _day("2025-02-28"))
    weeks = Interval(IntervalUnit.WEEK, 4)
    assert share(THIRTY, full=full, service=rest, timezone="UTC", interval=weeks) == Fraction(14, 28)
    assert share(THIRTY, full=full, service=rest, timezone="UTC") == Fraction(14, 30)


def test_within_one_day_only_seconds_can_divide() -> None:
    full = Period(datetime(2025, 1, 1, 8, tzinfo=UTC), datetime(2025, 1, 1, 18, tzinfo=UTC))
    rest = Period(datetime(2025, 1, 1, 13, tzinfo=UTC), full.end)
    assert share(DAY, full=full, service=rest, timezone="UTC") == Fraction(1, 2)


@given(cuts(1), st.sampled_from([THIRTY, STRICT]))
def test_dates_and_interval_agree(case: tuple[Period, str, Interval, list[datetime]], basis: ProrationBasis) -> None:
    full, zone, interval, (at,) = case
    # Days and weeks can look like months, see above.
    assume(interval.months)
    rest = Period(at, full.end)
    by_dates = share(basis, full=full, service=rest, timezone=zone)
    assert by_dates == share(basis, full=full, service=rest, timezone=zone, interval=interval)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _month(month: int) -> Period:
    return Period(datetime(2025, month, 1, tzinfo=UTC), datetime(2025, month + 1, 1, tzinfo=UTC))
