"""Options that many commands share, and how their texts become values."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from perennial.domain import calendar
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import AddOn

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts instead of tables for people.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
After = Annotated[str | None, typer.Option(help="Where the page before ended.", metavar="CURSOR")]
Timezone = Annotated[str | None, typer.Option(help="IANA time zone, for example Europe/Berlin.", metavar="ZONE")]
RequestId = Annotated[
    str | None, typer.Option(help="Names the request: the same name again gives the first answer.", metavar="ID")
]
Currency = Annotated[str, typer.Option(help="ISO 4217 code.", metavar="CODE")]

AddOns = Annotated[
    list[str] | None, typer.Option(help="An add-on, or so many of it: support, seats-pack:3.", metavar="CODE[:N]")
]

PAGE = 50
_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d|w|mo|y|(?:second|minute|hour|day|week|month|year)s?)")
_FIXED = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_CALENDAR = {"mo": IntervalUnit.MONTH, "y": IntervalUnit.YEAR}


def parse_instant(text: str) -> datetime:
    """`2026-01-31`, `2026-01-31T10:00` (both UTC) or `2026-01-31T10:00:00+01:00`."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no instant; write 2026-01-31T10:00:00Z") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def advanced(start: datetime, text: str) -> datetime:
    """`start` plus a duration: `90s`, `12h`, `30d`, `2w`, `1mo`, `1y`. Months and years are those of the calendar."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 12h, 30d, 2w, 1mo or 1y", param_hint="--by")
    count, unit = int(match[1]), _short(match[2])
    try:
        if unit in _FIXED:
            return start + count * _FIXED[unit]
        if not count:
            return start
        return calendar.boundary(start.replace(tzinfo=None), Interval(_CALENDAR[unit]), "UTC", count)
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is beyond the calendar", param_hint="--by") from None


def addons_of(texts: list[str] | None) -> tuple[AddOn, ...]:
    """`support`, `seats-pack:3`."""
    return tuple(_addon(text) for text in texts or ())


def _addon(text: str) -> AddOn:
    code, _, count = text.partition(":")
    if not code or (count and not count.isdecimal()):
        raise typer.BadParameter(f"{text!r} is no add-on; write CODE or CODE:3", param_hint="--addon")
    return AddOn(code, int(count or 1))


def _short(unit: str) -> str:
    return "mo" if unit.startswith("mo") else unit[0]


def instant_option(text: str) -> Any:
    """An option that takes an instant; `text` is its help."""
    return typer.Option(parser=parse_instant, metavar="INSTANT", help=text)
