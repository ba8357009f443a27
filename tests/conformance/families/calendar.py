"""calendar.json: boundaries counted from an anchor."""

from datetime import UTC, datetime, timedelta
from typing import Any

from perennial.domain.calendar import Interval, IntervalUnit, boundary, check_timezone, period
from tests.conformance.schema import Kind, instant


def starts(case: dict[str, Any]) -> list[datetime]:
    anchor = datetime.fromisoformat(case["anchor"])
    interval = Interval(IntervalUnit(case["interval"]), case["interval_count"])
    timezone = check_timezone(case["timezone"])
    found = [boundary(anchor, interval, timezone, k) for k in range(len(case["expect_period_starts"]))]
    assert all(at.utcoffset() == timedelta() for at in found), "instants are in UTC"
    assert [period(anchor, interval, timezone, k).end for k in range(len(found) - 1)] == found[1:]
    return found


KINDS = {
    None: Kind(
        fields={
            "interval": str,
            "interval_count": int,
            "anchor": str,
            "timezone": str,
            "expect_period_starts": [str],
        },
        run=starts,
        expected=lambda case: [instant(text).astimezone(UTC) for text in case["expect_period_starts"]],
    )
}
