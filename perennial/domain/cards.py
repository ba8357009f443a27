"""When a card expires, and when its holder is reminded of that. Pure dates."""

from datetime import date, datetime, time

from perennial.domain.calendar import add_local_days, to_instant

# Days before the end of the card's month. The first leaves time to get a new card, the second is for who forgot.
REMINDER_DAYS = (30, 7)
_DECEMBER = 12


def expires_at(year: int, month: int, timezone: str) -> datetime:
    """The end of the month that stands on the card, where its holder is, in UTC: until then it is good."""
    following = (year + 1, 1) if month == _DECEMBER else (year, month + 1)
    return to_instant(datetime.combine(date(*following, 1), time()), timezone)


def reminders(year: int, month: int, timezone: str) -> tuple[tuple[int, datetime], ...]:
    """So many days ahead, and when that is (UTC): midnight where the holder is."""
    end = expires_at(year, month, timezone)
    return tuple((days, add_local_days(end, -days, timezone)) for days in REMINDER_DAYS)


def due_reminder(year: int, month: int, timezone: str, now: datetime) -> int | None:
    """Which reminder is due at `now` (UTC): the latest whose time has come; None before the first and after the end.

    A card that is given shortly before its end is thus told once, not twice at once.
    """
    if now >= expires_at(year, month, timezone):
        return None
    come = [days for days, at in reminders(year, month, timezone) if at <= now]
    return come[-1] if come else None
