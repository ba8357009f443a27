"""Why is this revenue? The lines of an invoice, month by month, beside what is in the books of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from perennial.books.schedule import months_of
from perennial.db.models import Invoice, InvoiceLine
from perennial.db.repositories import recognitions
from perennial.db.repositories.recognitions import Source
from perennial.domain.errors import NotFound
from perennial.domain.months import Month

_ALWAYS = datetime(9000, 1, 1, tzinfo=UTC)
_END = Month(9000, 1)


@dataclass(frozen=True, slots=True)
class EarnedMonth:
    """A line (by position, from 0) and what it earns in a month, `posted` what the books have of it; minor units."""

    line: int
    description: str
    service_start: datetime
    service_end: datetime
    currency: str
    net: int
    month: str
    earned: int
    posted: int


def explain(session: Session, invoice_id: str) -> list[EarnedMonth]:
    """Every month of every line that was deferred, future months too, by what is known now. Months are the seller's.

    Lines that were revenue at once, because their service was over when they were invoiced, have one row: the month of
    the invoice. A gift that nobody has claimed yet has one row without a month.

    Raises:
        NotFound: no such invoice.
    """
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise NotFound("invoice", invoice_id)
    timezone = recognitions.timezone(session)
    sources = {source.position: source for source in recognitions.lines_of(session, invoice_id, _ALWAYS)}
    lines = session.query(InvoiceLine).filter_by(invoice_id=invoice_id).order_by(InvoiceLine.position)
    rows = []
    for line in lines:
        months = (
            _deferred(sources[line.position], timezone)
            if line.position in sources
            else iter([(str(Month.of(invoice.issued_at, timezone)), line.net, line.net)])
        )
        rows += [
            EarnedMonth(
                line.position,
                line.description,
                line.period_start,
                line.period_end,
                invoice.currency,
                line.net,
                month,
                earned,
                posted,
            )
            for month, earned, posted in months
        ]
    return rows


def _deferred(source: Source, timezone: str) -> Iterator[tuple[str, int, int]]:
    due = {str(month): amount for month, amount in months_of(source, _END, timezone)}
    for month in sorted(due.keys() | source.recognised.keys()) or [""]:
        yield month, due.get(month, 0), source.recognised.get(month, 0)
