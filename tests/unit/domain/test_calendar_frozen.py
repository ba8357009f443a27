"""Results that must never change: they stand on invoices. A row is added, never edited.

If one fails after an update of the time zone database, a government has changed a rule that was still ahead; say so in
the commit and freeze the new result beside the old one.
"""

from datetime import datetime

import pytest

from perennial.domain.calendar import Interval, IntervalUnit, boundary

FROZEN = [
    # anchor (local), unit, count, zone, index, boundary (UTC)
    ("2025-01-31T00:00:00", "month", 1, "UTC", 1, "2025-02-28T00:00:00+00:00"),
    ("2025-01-31T00:00:00", "month", 1, "UTC", 2, "2025-03-31T00:00:00+00:00"),
    ("2020-01-31T23:59:59", "month", 1, "UTC", 1, "2020-02-29T23:59:59+00:00"),
    ("2025-12-31T00:00:00", "month", 2, "UTC", 1, "2026-02-28T00:00:00+00:00"),
    ("2025-10-31T00:00:00", "month", 4, "UTC", 1, "2026-02-28T00:00:00+00:00"),
    ("2024-02-29T12:00:00", "year", 1, "UTC", 1, "2025-02-28T12:00:00+00:00"),
    ("2024-02-29T12:00:00", "year", 1, "UTC", 4, "2028-02-29T12:00:00+00:00"),
    ("2096-02-29T12:00:00", "year", 4, "UTC", 1, "2100-02-28T12:00:00+00:00"),  # 2100 is no leap year
    ("2096-02-29T12:00:00", "year", 4, "UTC", 2, "2104-02-29T12:00:00+00:00"),
    ("2000-01-31T00:00:00", "month", 1, "UTC", 1201, "2100-02-28T00:00:00+00:00"),
    ("2024-03-31T00:00:00", "month", 1, "UTC", -1, "2024-02-29T00:00:00+00:00"),
    # gaps move forward, the day after is back at the wall time
    ("2025-03-09T02:30:00", "day", 1, "America/New_York", 0, "2025-03-09T07:30:00+00:00"),
    ("2025-03-08T02:30:00", "day", 1, "America/New_York", 1, "2025-03-09T07:30:00+00:00"),
    ("2025-03-08T02:30:00", "day", 1, "America/New_York", 2, "2025-03-10T06:30:00+00:00"),
    ("2025-03-29T02:00:00", "day", 1, "Europe/Berlin", 1, "2025-03-30T01:00:00+00:00"),
    ("2025-03-29T01:30:00", "day", 1, "Europe/Dublin", 1, "2025-03-30T01:30:00+00:00"),
    ("2024-10-05T02:15:00", "day", 1, "Australia/Lord_Howe", 1, "2024-10-05T15:45:00+00:00"),  # half an hour
    ("2025-09-27T02:45:00", "day", 1, "Pacific/Chatham", 1, "2025-09-27T14:00:00+00:00"),
    ("2018-10-04T00:00:00", "month", 1, "America/Sao_Paulo", 1, "2018-11-04T03:00:00+00:00"),  # no midnight
    ("2022-03-21T00:00:00", "day", 1, "Asia/Tehran", 1, "2022-03-21T20:30:00+00:00"),
    ("2024-04-25T00:00:00", "day", 1, "Africa/Cairo", 1, "2024-04-25T22:00:00+00:00"),
    # a repeated hour means its first pass
    ("2025-11-01T01:30:00", "day", 1, "America/New_York", 1, "2025-11-02T05:30:00+00:00"),
    ("2025-10-25T02:59:59", "day", 1, "Europe/Berlin", 1, "2025-10-26T00:59:59+00:00"),
    ("2025-10-25T01:30:00", "day", 1, "Europe/Dublin", 1, "2025-10-26T00:30:00+00:00"),
    ("2025-04-05T01:45:00", "day", 1, "Australia/Lord_Howe", 1, "2025-04-05T14:45:00+00:00"),
    # days that never were
    ("2011-12-29T09:00:00", "day", 1, "Pacific/Apia", 1, "2011-12-30T19:00:00+00:00"),
    ("2011-12-29T09:00:00", "day", 1, "Pacific/Apia", 2, "2011-12-30T19:00:00+00:00"),
    ("2011-11-30T09:00:00", "month", 1, "Pacific/Apia", 1, "2011-12-30T19:00:00+00:00"),
    ("1993-08-20T12:00:00", "day", 1, "Pacific/Kwajalein", 1, "1993-08-22T00:00:00+00:00"),
    # offsets of odd minutes
    ("2024-01-15T08:00:00", "week", 2, "Asia/Kolkata", 26, "2025-01-13T02:30:00+00:00"),
    ("2024-01-31T18:45:00", "month", 1, "Asia/Kathmandu", 13, "2025-02-28T13:00:00+00:00"),
    # by the rules as they stand in 2025
    ("2026-11-21T10:00:00", "year", 1, "Europe/London", 50, "2076-11-21T10:00:00+00:00"),
    ("2040-03-25T01:30:00", "year", 1, "Europe/London", 0, "2040-03-25T01:30:00+00:00"),
    ("2037-12-31T00:00:00", "month", 1, "America/Los_Angeles", 8, "2038-08-31T07:00:00+00:00"),
]


@pytest.mark.parametrize(("anchor", "unit", "count", "zone", "index", "frozen"), FROZEN)
def test_frozen(anchor: str, unit: str, count: int, zone: str, index: int, frozen: str) -> None:
    found = boundary(datetime.fromisoformat(anchor), Interval(IntervalUnit(unit), count), zone, index)
    assert found.isoformat() == frozen
