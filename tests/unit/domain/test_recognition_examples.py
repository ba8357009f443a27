"""The worked examples of the page on revenue recognition. (What is posted of them: tests/unit/books.)"""

from datetime import UTC, datetime

from perennial.domain.calendar import Period
from perennial.domain.months import Month
from perennial.domain.recognition import DeferredLine, Offset, TakenOff, earned, gift_earned, schedule


def day(words: str) -> datetime:
    return datetime.fromisoformat(f"2027-{words}").replace(tzinfo=UTC)


def by_month(line: DeferredLine, *months: int) -> list[int]:
    """What the line earns in each of these months of 2027."""
    totals = [earned(line, Month(2027, month).end("UTC"), "UTC") for month in months]
    return [after - before for before, after in zip([0, *totals], totals, strict=False)]


def test_a_quarter_is_earned_by_its_days() -> None:
    rows = schedule(9000, day("01-01"), day("04-01"))
    assert [(str(row.month), row.amount, row.deferred) for row in rows] == [
        ("2027-01", 3100, 5900),
        ("2027-02", 2800, 3100),
        ("2027-03", 3100, 0),
    ]


def test_one_unit_over_three_months() -> None:
    assert [row.amount for row in schedule(1, day("06-01"), day("09-01"))] == [0, 1, 0]


def test_an_upgrade_in_the_middle_is_earned_from_its_day_on() -> None:
    rest = Period(day("04-16"), day("05-01"))
    old = DeferredLine(
        3000, Period(day("04-01"), day("05-01")), day("04-01"), offsets=(Offset(day("04-16"), 1500, rest),)
    )
    lines = (old, DeferredLine(-1500, rest, day("04-16")), DeferredLine(4500, rest, day("04-16")))
    assert [by_month(line, 4) for line in lines] == [[3000], [-1500], [4500]]
    assert earned(old, day("04-16"), "UTC") == 1500


def test_a_credit_note_for_part_of_what_is_ahead() -> None:
    line = DeferredLine(
        6000, Period(day("04-01"), day("05-31")), day("04-01"), taken_off=(TakenOff(day("05-01"), 1500),)
    )
    assert by_month(line, 4, 5) == [3000, 1500]


def test_a_credit_note_beyond_what_is_ahead() -> None:
    line = DeferredLine(
        6000, Period(day("04-01"), day("05-31")), day("04-01"), taken_off=(TakenOff(day("05-16"), 6000),)
    )
    assert earned(line, day("05-16"), "UTC") - earned(line, day("05-01"), "UTC") == 1500
    assert by_month(line, 4, 5) == [3000, -3000]


def test_a_void_takes_back_what_was_earned() -> None:
    line = DeferredLine(9000, Period(day("01-01"), day("04-01")), day("01-01"), voided_at=day("03-05"))
    assert by_month(line, 1, 2, 3) == [3100, 2800, -5900]


def test_a_gift_that_is_paused() -> None:
    january = gift_earned(2000, 10, 31, is_over=False)
    assert (january, gift_earned(2000, 31, 31, is_over=False) - january) == (645, 1355)
    assert gift_earned(2000, 10, 31, is_over=True) == 2000
