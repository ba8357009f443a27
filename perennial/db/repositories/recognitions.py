"""Which lines have revenue left to recognise, and what has been recognised of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from perennial.db.models import Recognition
from perennial.db.tables import table_of
from perennial.domain.calendar import Interval, IntervalUnit, Period
from perennial.domain.recognition import DeferredLine, Offset, TakenOff

# How many rows wait in memory.
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class GiftStretch:
    """What became of a gift: `spans` are the prepaid ones of its own periods, whose days it pays for.

    `claimed_at` None: nobody has claimed it. `ended_at`: its last period or its subscription is over. `expired_at`:
    nobody claimed it in time.
    """

    interval: Interval
    periods: int
    claimed_at: datetime | None
    ended_at: datetime | None
    expired_at: datetime | None
    spans: tuple[tuple[datetime, datetime | None], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A line that was posted as deferred, and what is in the books of it already, by month (`2027-03`)."""

    invoice_id: str
    position: int
    currency: str
    line: DeferredLine
    gift: GiftStretch | None
    recognised: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Earned:
    """A row to be written: so much of a line was earned in a month."""

    invoice_id: str
    position: int
    month: str
    account: str
    amount: int


# Every line that was posted as deferred, with the credit notes that took of it while it was ahead, and the credit lines
# of later invoices. `at_once`: it is older than deferring and was posted as revenue; its void takes that back.
_SOURCES = """
WITH done AS (
    SELECT invoice_id, line_position, sum(amount) AS amount, max(month) AS last_month,
           jsonb_object_agg(month, amount) AS months, bool_or(at_once) AS at_once
    FROM (SELECT invoice_id, line_position, month, sum(amount) AS amount, bool_or(posting LIKE 'issue:%') AS at_once
          FROM recognitions WHERE :every OR invoice_id = :invoice GROUP BY invoice_id, line_position, month) AS m
    GROUP BY invoice_id, line_position
), taken AS (
    SELECT c.invoice_id, c.line_position, sum(c.net) AS amount, max(n.issued_at) AS last_at,
           jsonb_agg(jsonb_build_array(n.issued_at, c.net) ORDER BY n.issued_at, c.id) AS notes
    FROM corrections c
    JOIN credit_notes n ON n.id = c.document_id
    JOIN invoice_lines l ON l.invoice_id = c.invoice_id AND l.position = c.line_position
    WHERE (l.kind = 'gift' OR l.period_end > n.issued_at) AND n.issued_at < :until
      AND (:every OR c.invoice_id = :invoice)
    GROUP BY c.invoice_id, c.line_position
), offsets AS (
    SELECT c.invoice_id, c.line_position,
           jsonb_agg(jsonb_build_array(i.issued_at, c.net, l.period_start, l.period_end)) AS lines
    FROM corrections c
    JOIN invoices i ON i.id = c.document_id AND i.status <> 'void'
    JOIN invoice_lines l ON l.invoice_id = c.document_id AND l.position = c.document_position
    WHERE i.issued_at < :until AND (:every OR c.invoice_id = :invoice)
    GROUP BY c.invoice_id, c.line_position
)
SELECT l.invoice_id, l.position, i.currency, l.net, l.period_start, l.period_end, i.issued_at,
       CASE i.status WHEN 'void' THEN i.closed_at END AS voided_at, taken.notes, offsets.lines, done.months,
       CASE l.kind WHEN 'gift' THEN i.gift_id END AS gift_id
FROM invoice_lines l
JOIN invoices i ON i.id = l.invoice_id
LEFT JOIN done ON done.invoice_id = l.invoice_id AND done.line_position = l.position
LEFT JOIN taken ON taken.invoice_id = l.invoice_id AND taken.line_position = l.position
LEFT JOIN offsets ON offsets.invoice_id = l.invoice_id AND offsets.line_position = l.position
WHERE (l.kind = 'gift' OR l.period_end > i.issued_at) AND l.net <> 0
  AND NOT (coalesce(done.at_once, false) AND i.status = 'void')
"""
# Done are lines of which all that is left in the end is recognised. Those that were corrected may come to that by
# chance before their time: they are looked at until a month from the correction on is in the books.
_OPEN = text(
    _SOURCES
    + """
  AND i.issued_at < :until
  AND (coalesce(done.amount, 0)
       <> CASE WHEN i.status = 'void' AND i.closed_at < :until THEN 0 ELSE l.net - coalesce(taken.amount, 0) END
       OR greatest(to_char(i.issued_at AT TIME ZONE :timezone, 'YYYY-MM'), done.last_month)
          < to_char(greatest(taken.last_at, CASE WHEN i.status = 'void' AND i.closed_at < :until THEN i.closed_at END)
                    AT TIME ZONE :timezone, 'YYYY-MM'))
"""
)
_OF_INVOICE = text(_SOURCES + " AND l.invoice_id = :invoice ORDER BY l.position")

# The periods that a gift paid for are the first prepaid ones of its subscription.
_GIFTS = text(
    """
SELECT g.id, g.periods, g.status, g.expires_at, g.state -> 'terms' -> 'interval' AS interval,
       s.claimed_at, s.spans, s.after
FROM gifts g LEFT JOIN LATERAL (
    SELECT min(starts_at) AS claimed_at,
           jsonb_agg(jsonb_build_array(starts_at, ends_at) ORDER BY starts_at)
               FILTER (WHERE kind = 'prepaid' AND nth <= g.periods) AS spans,
           min(starts_at) FILTER (WHERE kind = 'ended' OR (kind <> 'paused' AND nth > g.periods)) AS after
    FROM (SELECT starts_at, ends_at, kind, dense_rank() OVER (ORDER BY period_no) AS nth
          FROM service_spans WHERE subscription_id = g.subscription_id) AS p
) AS s ON true
WHERE g.id = ANY(:gifts)
"""
)
# Writers wait for each other, readers do not.
_ALONE = text("LOCK TABLE recognitions IN SHARE ROW EXCLUSIVE MODE")
_RUNS = text("SELECT count(DISTINCT posting) FROM recognitions WHERE posting LIKE :postings")
_LAST = text("SELECT max(subject_id) FROM ledger_transactions WHERE kind = 'revenue_recognised'")
_TIMEZONE = text("SELECT timezone FROM sellers WHERE id = 1")
_WRITE = insert(table_of(Recognition))


def timezone(session: Session) -> str:
    """The seller's, in which the books are kept; without a seller UTC."""
    return session.scalar(_TIMEZONE) or "UTC"


def alone(session: Session) -> None:
    """Only one transaction recognises at a time; until it ends, the next one waits here."""
    session.execute(_ALONE)


def open_lines(session: Session, until: datetime, timezone: str) -> Iterator[list[Source]]:
    """The lines of invoices issued before `until` of which not all has been recognised (or given back), in chunks."""
    asked = {"until": until, "timezone": timezone, "every": True, "invoice": None}
    found = session.execute(_OPEN, asked, execution_options={"yield_per": _CHUNK})
    for rows in found.partitions():
        yield _sources(session, rows)


def lines_of(session: Session, invoice_id: str, until: datetime) -> list[Source]:
    """The lines of one invoice that were posted as deferred, with what happened before `until`."""
    asked = {"until": until, "every": False, "invoice": invoice_id}
    return _sources(session, session.execute(_OF_INVOICE, asked).all())


def record(session: Session, posting: str, earned: Sequence[Earned]) -> None:
    """What a posting consists of, line by line."""
    session.execute(
        _WRITE,
        [
            {
                "invoice_id": each.invoice_id,
                "line_position": each.position,
                "posting": posting,
                "month": each.month,
                "account": each.account,
                "amount": each.amount,
            }
            for each in earned
        ],
    )


def runs(session: Session, month: str, currency: str) -> int:
    """How many postings have recognised revenue of this month and currency."""
    return int(session.scalar(_RUNS, {"postings": f"recognition:{month}:{currency}:%"}) or 0)


def last_month(session: Session) -> str | None:
    """The latest month of which revenue has been recognised."""
    month: str | None = session.scalar(_LAST)
    return month


def _sources(session: Session, rows: Sequence[Row[Any]]) -> list[Source]:
    wanted = [row.gift_id for row in rows if row.gift_id]
    gifts = {row.id: _gift(row) for row in session.execute(_GIFTS, {"gifts": wanted})} if wanted else {}
    return [
        Source(row.invoice_id, row.position, row.currency, _line(row), gifts.get(row.gift_id), row.months or {})
        for row in rows
    ]


def _line(row: Row[Any]) -> DeferredLine:
    at = datetime.fromisoformat
    return DeferredLine(
        row.net,
        Period(row.period_start, row.period_end),
        row.issued_at,
        row.voided_at,
        tuple(TakenOff(at(moment), net) for moment, net in row.notes or ()),
        tuple(Offset(at(moment), net, Period(at(start), at(end))) for moment, net, start, end in row.lines or ()),
    )


def _gift(row: Row[Any]) -> GiftStretch:
    at = datetime.fromisoformat
    return GiftStretch(
        Interval(IntervalUnit(row.interval["unit"]), row.interval["count"]),
        row.periods,
        row.claimed_at,
        row.after,
        row.expires_at if row.status == "expired" else None,
        tuple((at(start), at(end) if end else None) for start, end in row.spans or ()),
    )
