"""A card is good until its month ends where its holder is; 30 and 7 days before that they are told."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.cards import due_reminder, expires_at, reminders

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Apia", "Asia/Kolkata"])
YEARS, MONTHS = st.integers(2020, 2060), st.integers(1, 12)


def at(words: str) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "month", "zone", "end"),
    [
        (2026, 12, "UTC", "2027-01-01"),
        (2028, 2, "UTC", "2028-03-01"),
        (2026, 6, "Europe/Berlin", "2026-06-30T22:00"),
        (2026, 6, "America/Los_Angeles", "2026-07-01T07:00"),
    ],
)
def test_the_end_of_its_month(year: int, month: int, zone: str, end: str) -> None:
    assert expires_at(year, month, zone) == at(end)


def test_thirty_and_seven_days_before() -> None:
    assert reminders(2026, 6, "UTC") == ((30, at("2026-06-01")), (7, at("2026-06-24")))
    # The clocks change on 29 March: it is midnight there, before and after.
    assert reminders(2026, 3, "Europe/Berlin") == ((30, at("2026-03-01T23:00")), (7, at("2026-03-24T23:00")))


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-05-31T23:59", None),
        ("2026-06-01", 30),
        ("2026-06-23T23:59", 30),
        ("2026-06-24", 7),
        ("2026-06-30T23:59", 7),
        ("2026-07-01", None),
    ],
)
def test_which_reminder_is_due(now: str, days: int | None) -> None:
    assert due_reminder(2026, 6, "UTC", at(now)) == days


@given(YEARS, MONTHS, ZONES)
def test_whoever_looks_daily_finds_each_reminder_once(year: int, month: int, zone: str) -> None:
    end = expires_at(year, month, zone)
    looks = [due_reminder(year, month, zone, end + timedelta(days=day, hours=3)) for day in range(-40, 5)]
    found = [days for days in looks if days is not None]
    assert list(dict.fromkeys(found)) == [30, 7]
    assert found == sorted(found, reverse=True)
    assert looks[-5:] == [None] * 5
