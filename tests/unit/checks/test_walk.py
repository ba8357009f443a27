"""The independent recomputation of boundaries: what it accepts and what it calls missed."""

from datetime import UTC, datetime

from perennial.checks.walk import Life, Stretch, Verdict, inspect
from perennial.domain.calendar import Interval, IntervalUnit

MONTH, YEAR = Interval(IntervalUnit.MONTH), Interval(IntervalUnit.YEAR)
BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)


def at(month: int, day: int, hour: int = 10, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def walk(
    *spans: tuple[datetime, datetime | None, str, int],
    reached: datetime = at(4, 15),
    ended_at: datetime | None = None,
    intervals: tuple[tuple[datetime, Interval], ...] = ((BEGIN, MONTH),),
    closings: frozenset[datetime] = frozenset(),
    revivals: frozenset[datetime] = frozenset(),
    given_up: bool = False,
) -> Verdict:
    stretches = [Stretch(*span) for span in spans]
    return inspect(
        Life("sub_1", BEGIN, ended_at, "UTC", reached, stretches, intervals, closings, revivals, given_up=given_up)
    )


FEB, MAR, APR, MAY = at(2, 28), at(3, 31), at(4, 30), at(5, 31)


def test_month_ends_are_clamped_from_the_anchor() -> None:
    verdict = walk((BEGIN, FEB, "paid", 0), (FEB, MAR, "paid", 1), (MAR, APR, "paid", 2))
    assert verdict == Verdict(due=2)


def test_a_period_counted_from_the_one_before_drifts() -> None:
    verdict = walk((BEGIN, FEB, "paid", 0), (FEB, at(3, 28), "paid", 1), (at(3, 28), at(4, 28), "paid", 2))
    assert verdict.problems == [
        f"period 2 began on {at(3, 28)}, before {MAR}",
        f"period 2 ends on {at(4, 28)}, by the calendar on {APR}",
    ]


def test_two_months_without_a_renewal_are_two_missed() -> None:
    verdict = walk((BEGIN, FEB, "paid", 0), reached=at(4, 15))
    assert (verdict.due, verdict.missed) == (2, 2)
    assert verdict.problems == [f"period 0 ended on {FEB} and nothing followed"]


def test_a_boundary_that_is_reached_exactly_has_been_acted_upon() -> None:
    assert walk((BEGIN, FEB, "paid", 0), reached=FEB).missed == 1
    assert walk((BEGIN, FEB, "paid", 0), reached=at(2, 28, 9)).missed == 0


def test_a_renewal_left_out_is_missed_although_the_spans_tile() -> None:
    verdict = walk((BEGIN, MAR, "paid", 0), (MAR, APR, "paid", 1))
    assert (verdict.due, verdict.missed) == (2, 1)
    assert verdict.problems == [f"a renewal was due on {FEB}, the next one came on {MAR}"]


def test_a_pause_makes_the_period_longer_and_its_end_the_anchor() -> None:
    pause, resume, end = at(2, 10), at(2, 13), at(3, 3)
    life = ((BEGIN, pause, "paid", 0), (pause, resume, "paused", 0), (resume, end, "paid", 0))
    assert walk(*life, (end, at(4, 3), "paid", 1), (at(4, 3), at(5, 3), "paid", 2)) == Verdict(due=2)
    assert walk(*life, (end, MAR, "paid", 1), (MAR, APR, "paid", 2)).problems


def test_a_pause_of_no_length_moves_nothing() -> None:
    life = ((BEGIN, at(2, 10), "paid", 0), (at(2, 10), FEB, "paid", 0))
    assert walk(*life, (FEB, MAR, "paid", 1), (MAR, APR, "paid", 2)) == Verdict(due=2)
    assert walk(*life, (FEB, at(3, 28), "paid", 1), (at(3, 28), at(4, 28), "paid", 2)).problems


def test_what_is_paused_or_unpaid_owes_no_renewal() -> None:
    assert walk((BEGIN, at(2, 10), "paid", 0), (at(2, 10), None, "paused", 0)) == Verdict()
    assert walk((BEGIN, at(2, 14), "paid", 0), (at(2, 14), None, "unpaid", 0)) == Verdict()


def test_service_that_ran_past_a_boundary_before_it_stopped_is_a_missed_renewal() -> None:
    verdict = walk((BEGIN, at(3, 10), "paid", 0), (at(3, 10), None, "paused", 0))
    assert (verdict.due, verdict.missed) == (1, 1)


def test_unpaid_time_does_not_move_boundaries() -> None:
    life = ((BEGIN, at(2, 14), "paid", 0), (at(2, 14), at(2, 20), "unpaid", 0), (at(2, 20), FEB, "paid", 0))
    assert walk(*life, (FEB, MAR, "paid", 1), (MAR, APR, "paid", 2)) == Verdict(due=2)


def test_an_ended_one_begins_anew_when_it_is_reactivated() -> None:
    life = ((BEGIN, FEB, "paid", 0), (FEB, at(3, 10), "ended", 0), (at(3, 10), at(4, 10), "paid", 1))
    assert walk(*life, reached=at(4, 1)) == Verdict()


def test_a_trial_is_as_long_as_was_agreed_and_its_end_is_the_anchor() -> None:
    life = ((BEGIN, at(2, 14), "trial", 0), (at(2, 14), at(3, 14), "paid", 1), (at(3, 14), at(4, 14), "paid", 2))
    assert walk(*life, reached=at(4, 1)) == Verdict(due=2)
    assert walk(life[0], reached=at(4, 20)).missed == 3


def test_another_interval_begins_a_cycle_of_its_own() -> None:
    agreed = ((BEGIN, MONTH), (at(2, 10), YEAR))
    now = ((BEGIN, at(2, 10), "paid", 0), (at(2, 10), at(2, 10, year=2027), "paid", 1))
    assert walk(*now, intervals=agreed) == Verdict()
    assert walk(*now).problems[:2] == [
        f"period 1 began on {at(2, 10)}, before {FEB}",
        f"period 1 ends on {at(2, 10, year=2027)}, by the calendar on {MAR}",
    ]
    later = ((BEGIN, FEB, "paid", 0), (FEB, at(2, 28, year=2027), "paid", 1))
    assert walk(*later, intervals=((BEGIN, MONTH), (FEB, YEAR))) == Verdict(due=1)


def test_an_end_is_late_only_without_a_reason() -> None:
    life = ((BEGIN, at(3, 10), "paid", 0),)
    assert walk(*life, ended_at=at(3, 10)).missed == 1
    assert walk(*life, ended_at=at(3, 10), closings=frozenset({FEB})) == Verdict()
    assert walk(*life, ended_at=at(3, 10), given_up=True) == Verdict()
    assert walk((BEGIN, FEB, "paid", 0), ended_at=FEB) == Verdict()


def test_an_end_and_a_revival_at_one_instant_begin_a_new_count() -> None:
    revived = at(2, 10)
    spans = ((BEGIN, revived, "paid", 0), (revived, at(3, 10), "paid", 1), (at(3, 10), at(4, 10), "paid", 2))
    assert walk(*spans, reached=at(3, 20), revivals=frozenset({revived})) == Verdict(due=1)
    assert walk(*spans, reached=at(3, 20)).problems


def test_an_interval_changed_and_changed_back_at_one_instant_begins_a_new_count() -> None:
    changed = at(2, 10)
    spans = ((BEGIN, changed, "paid", 0), (changed, at(3, 10), "paid", 2), (at(3, 10), at(4, 10), "paid", 3))
    intervals = ((BEGIN, MONTH), (changed, YEAR), (changed, MONTH))
    assert walk(*spans, reached=at(3, 20), intervals=intervals) == Verdict(due=1)
    assert walk(*spans, reached=at(3, 20)).problems


def test_what_went_unpaid_and_ended_later_owed_no_renewal_in_between() -> None:
    unpaid, ended, back = at(2, 14), at(3, 10), at(4, 1)
    spans = ((BEGIN, unpaid, "paid", 0), (unpaid, ended, "unpaid", 0), (ended, back, "ended", 0))
    assert walk(*spans, (back, at(5, 1), "paid", 1), revivals=frozenset({back})) == Verdict()
