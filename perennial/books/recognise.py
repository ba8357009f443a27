"""Deferred revenue becomes revenue: month by month, line by line, once."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from perennial.books.schedule import missing
from perennial.db.repositories import ledger, recognitions
from perennial.db.repositories.recognitions import Earned
from perennial.domain.errors import InvalidInput
from perennial.domain.ledger import BREAKAGE, REVENUE, revenue_recognised
from perennial.domain.months import Month


@dataclass(frozen=True, slots=True)
class Recognised:
    """One posting: what became income in a month, minor units; negative when more was taken back."""

    month: str
    currency: str
    revenue: int
    breakage: int
    lines: int


def recognise(session: Session, through: Month, as_of: datetime) -> list[Recognised]:
    """Post what was earned in every month up to `through` and is not in the books yet, in the seller's time zone.

    One posting for each month and currency, dated at the very end of the month; `recognitions` has its lines. A second
    run finds nothing to do, and two at the same time do it once. The caller commits.

    Raises:
        InvalidInput: `through` is not over at `as_of`.
    """
    timezone = recognitions.timezone(session)
    until = through.end(timezone)
    if until > as_of:
        raise InvalidInput(f"{through} is not over yet in {timezone}", field="through")
    recognitions.alone(session)
    book = _Book(session, timezone)
    for sources in recognitions.open_lines(session, until, timezone):
        for source in sources:
            book.enter(source.currency, missing(source, through, timezone))
        book.write()
    return book.post()


class _Book:
    """Rows and sums of one run: rows are written chunk by chunk, the sums posted at the end."""

    def __init__(self, session: Session, timezone: str) -> None:
        self._session, self._timezone = session, timezone
        self._keys: dict[tuple[str, str], str] = {}
        self._rows: defaultdict[str, list[Earned]] = defaultdict(list)
        self._sums: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._lines: Counter[tuple[str, str]] = Counter()

    def enter(self, currency: str, rows: Iterable[Earned]) -> None:
        for row in rows:
            place = (row.month, currency)
            self._rows[self._key(place)].append(row)
            self._sums[place][row.account] += row.amount
            self._lines[place] += 1

    def write(self) -> None:
        for key, rows in self._rows.items():
            recognitions.record(self._session, key, rows)
        self._rows.clear()

    def post(self) -> list[Recognised]:
        posted = []
        for place, sums in sorted(self._sums.items()):
            month, currency = place
            posting = revenue_recognised(
                self._key(place), month, currency, revenue=sums[REVENUE], breakage=sums[BREAKAGE]
            )
            at = Month.parse(month).end(self._timezone) - datetime.resolution
            if not ledger.post(self._session, posting, at) and posting.entries:
                msg = f"{posting.key} is in the ledger without its lines"
                raise RuntimeError(msg)
            posted.append(Recognised(month, currency, sums[REVENUE], sums[BREAKAGE], self._lines[place]))
        return posted

    def _key(self, place: tuple[str, str]) -> str:
        """`recognition:2027-03:EUR:1`: the first posting of this month and currency, the second ..."""
        if place not in self._keys:
            month, currency = place
            run = recognitions.runs(self._session, month, currency) + 1
            self._keys[place] = f"recognition:{month}:{currency}:{run}"
        return self._keys[place]
