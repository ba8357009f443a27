"""Numbers of documents: gap-free in each series, under any number of writers."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

INVOICE, CREDIT_NOTE = "invoice", "credit_note"

# Taken as the last thing that a transaction waits for, and given back by a rollback: numbers have no gap.
_TAKE = text(
    "INSERT INTO number_series (name, next_number) VALUES (:series, 2) "
    "ON CONFLICT (name) DO UPDATE SET next_number = number_series.next_number + 1 RETURNING next_number - 1"
)


@dataclass(frozen=True, slots=True)
class Numbering:
    """`INV-000042`, or with `by_year` `INV-2027-000042`, counted anew each year of `timezone`."""

    invoice_prefix: str = "INV"
    credit_note_prefix: str = "CN"
    by_year: bool = False
    timezone: str = "UTC"

    def series(self, kind: str, as_of: datetime) -> str:
        """Which counter a document of that kind and date takes its number from."""
        return f"{kind}:{self._year(as_of)}" if self.by_year else kind

    def name(self, kind: str, number: int, as_of: datetime) -> str:
        prefix = self.invoice_prefix if kind == INVOICE else self.credit_note_prefix
        return f"{prefix}-{self._year(as_of)}-{number:06d}" if self.by_year else f"{prefix}-{number:06d}"

    def _year(self, as_of: datetime) -> int:
        return as_of.astimezone(ZoneInfo(self.timezone)).year


def take(session: Session, kind: str, numbering: Numbering, as_of: datetime) -> str:
    """The next number of `kind` for a document of `as_of`."""
    number: int = session.execute(_TAKE, {"series": numbering.series(kind, as_of)}).scalar_one()
    return numbering.name(kind, number, as_of)
