"""Laws of recognition, over random services, zones and corrections."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.calendar import Period
from perennial.domain.errors import InvalidInput, InvalidPeriod
from perennial.domain.months import Month
from perennial.domain.recognition import (
    DeferredLine,
    Offset,
    RecognitionBasis,
    TakenOff,
    earned,
    recognised,
    schedule,
    share,
)

ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Europe/Berlin", "Africa/Cairo"])
AMOUNTS = st.integers(-(10**12), 10**12)
INSTANTS = st.datetimes(datetime(2009, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - made UTC next
    lambda at: at.replace(tzinfo=UTC, microsecond=0)
)
LENGTHS = st.timedeltas(timedelta(0), timedelta(days=1200)).map(
    lambda length: timedelta(seconds=length // timedelta(seconds=1))
)
SERVICES = st.builds(lambda start, length: Period(start, start + length), INSTANTS, LENGTHS)
BASES = st.sampled_from(RecognitionBasis)


@given(AMOUNTS, SERVICES, BASES, ZONES)
def test_months_follow_each_other_and_sum_to_the_amount(
    amount: int, service: Period, basis: RecognitionBasis, zone: str
) -> None:
    rows = schedule(amount, service.start, service.end, basis, zone)
    assert sum(row.amount for row in rows) == amount
    assert rows[-1].deferred == 0
    assert rows[0].month == Month.of(service.start, zone)
    assert [row.month for row in rows[1:]] == [row.month.next for row in rows[:-1]]
    assert Month.of(service.end, zone) in (rows[-1].month, rows[-1].month.next)
    for row in rows:
        at = row.month.end(zone)
        assert row.deferred == amount - recognised(amount, service.start, service.end, at, basis, zone)


@given(AMOUNTS, SERVICES, BASES, ZONES)
def test_a_credit_is_the_mirror_of_its_charge(amount: int, service: Period, basis: RecognitionBasis, zone: str) -> None:
    charge = schedule(amount, service.start, service.end, basis, zone)
    credit = schedule(-amount, service.start, service.end, basis, zone)
    assert [(row.month, -row.amount, -row.deferred) for row in charge] == [
        (row.month, row.amount, row.deferred) for row in credit
    ]


@given(SERVICES, BASES, ZONES, st.lists(INSTANTS, min_size=2, max_size=5))
def test_service_only_grows(service: Period, basis: RecognitionBasis, zone: str, at: list[datetime]) -> None:
    shares = [share(service, each, basis, zone) for each in sorted(at)]
    assert shares == sorted(shares)
    assert all(0 <= each <= 1 for each in shares)


@st.composite
def corrected_lines(draw: st.DrawFn) -> DeferredLine:
    """A charge, and notes and credit lines that together take back at most all of it, while it lasts."""
    amount = draw(st.integers(1, 10**9))
    service = draw(SERVICES.filter(lambda service: service.length > timedelta(days=2)))
    moments = st.timedeltas(timedelta(0), service.length - timedelta(seconds=1)).map(
        lambda after: service.start + after
    )
    left, notes, offsets = amount, [], []
    for _ in range(draw(st.integers(0, 4))):
        part, at = draw(st.integers(0, left)), draw(moments)
        left -= part
        if draw(st.booleans()):
            notes.append(TakenOff(at, part))
        else:
            offsets.append(Offset(at, part, Period(at, service.end)))
    notes.sort(key=lambda note: note.at)
    return DeferredLine(amount, service, service.start, None, tuple(notes), tuple(offsets))


@given(corrected_lines(), ZONES, INSTANTS)
def test_a_line_is_never_over_earned_and_comes_to_what_is_left_of_it(
    line: DeferredLine, zone: str, at: datetime
) -> None:
    gone = sum(note.amount for note in line.taken_off)
    assert earned(line, line.service.end + timedelta(days=2), zone) == line.amount - gone
    now = earned(line, at, zone)
    assert now <= line.amount
    unearned = line.amount - sum(note.amount for note in line.taken_off if note.at < at) - now
    if at > line.service.start:
        assert 0 <= unearned <= line.amount


@given(AMOUNTS, SERVICES, ZONES, INSTANTS)
def test_without_corrections_a_line_is_its_schedule(amount: int, service: Period, zone: str, at: datetime) -> None:
    line = DeferredLine(amount, service, service.start - timedelta(seconds=1))
    assert earned(line, at, zone) == (
        recognised(amount, service.start, service.end, at, timezone=zone) if at > line.issued_at else 0
    )


def test_what_is_no_month_or_no_service_is_refused() -> None:
    for words in ("2027-13", "2027-00", "2027", "27-01", "2027-1", "0000-01", "2027-01-01", ""):
        with pytest.raises(InvalidInput, match="is no month"):
            Month.parse(words)
    start = datetime(2027, 1, 2, tzinfo=UTC)
    with pytest.raises(InvalidPeriod):
        schedule(1, start, start - timedelta(days=1))


def test_months_know_their_neighbours() -> None:
    december = Month.parse("2027-12")
    assert (str(december.next), str(december.previous), december.next.previous) == ("2028-01", "2027-11", december)
    assert december.end("Asia/Tokyo") == datetime(2027, 12, 31, 15, tzinfo=UTC)
    assert Month.of(december.end("Asia/Tokyo"), "Asia/Tokyo") == december.next
