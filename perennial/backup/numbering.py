"""Numbers of documents that are written again: the ones that their customers hold, and no other."""

import re
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.db.repositories.numbers import CREDIT_NOTE, INVOICE

_NUMBER = re.compile(r"[A-Z0-9-]{1,12}?(?:-(\d{4}))?-(\d{6,})")
_DOCUMENTS = text(
    "SELECT 'invoice' AS kind, number FROM invoices WHERE number IS NOT NULL"
    " UNION ALL SELECT 'credit_note', number FROM credit_notes WHERE number IS NOT NULL"
)
_NEXT = text(
    "INSERT INTO number_series (name, next_number) VALUES (:series, :next)"
    " ON CONFLICT (name) DO UPDATE SET next_number = :next"
)
_SERIES = text("SELECT name FROM number_series")


class Numbering:
    """The counters while documents are written again. `promised` are (kind, number), as histories tell them."""

    def __init__(self, session: Session, promised: Iterable[tuple[str, str]]) -> None:
        self._promised: dict[str, set[int]] = defaultdict(set)
        self._taken: dict[str, set[int]] = defaultdict(set)
        self._lowest: dict[str, int] = defaultdict(lambda: 1)
        for kind, number in promised:
            self._add(self._promised, kind, number)
        self.look(session)

    def look(self, session: Session) -> None:
        """At the documents that there are."""
        for row in session.execute(_DOCUMENTS):
            self._add(self._taken, row.kind, row.number)

    def take(self, kind: str, number: str) -> None:
        self._add(self._taken, kind, number)

    def expect(self, session: Session, kind: str, number: str | None) -> None:
        """The next document of the kind takes this number; None, or the other kind: the lowest that nobody has."""
        for name in {*session.scalars(_SERIES), *self._promised}:
            session.execute(_NEXT, {"series": name, "next": self._free(name)})
        if number and (parsed := _parse(kind, number)):
            session.execute(_NEXT, {"series": parsed[0], "next": parsed[1]})

    def finish(self, session: Session) -> None:
        """New documents go on behind the last."""
        for name in {*session.scalars(_SERIES), *self._promised}:
            last = max(self._taken[name] | self._promised[name], default=0)
            session.execute(_NEXT, {"series": name, "next": last + 1})

    def _free(self, series: str) -> int:
        """It only grows, for a number that is taken stays taken."""
        n = self._lowest[series]
        while n in self._taken[series] or n in self._promised[series]:
            n += 1
        self._lowest[series] = n
        return n

    @staticmethod
    def _add(to: dict[str, set[int]], kind: str, number: str) -> None:
        if parsed := _parse(kind, number):
            to[parsed[0]].add(parsed[1])


def _parse(kind: str, number: str) -> tuple[str, int] | None:
    """The series and the counter."""
    assert kind in (INVOICE, CREDIT_NOTE), kind
    found = _NUMBER.fullmatch(number)
    return (f"{kind}:{found[1]}" if found[1] else kind, int(found[2])) if found else None
