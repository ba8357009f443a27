"""The service spans tile each life, and each period has the invoice that it should have."""

from sqlalchemy.orm import Session

from perennial.checks.result import Outcome, Slice, count, outcome, rows, sliced
from perennial.checks.walk import lateness
from perennial.engine.context import Engine

_SPANS = sliced("SELECT count(*) FROM service_spans WHERE WITHIN(subscription_id)")
NO_SPAN = "it has no span of service"  # as the query says it
_TILING = sliced(
    """
WITH lives AS (
    SELECT s.id, s.created_at, s.ended_at, s.step,
           least(coalesce(c.now, :late), s.parked_at) AS reached
    FROM subscriptions s LEFT JOIN test_clocks c ON c.id = s.test_clock_id WHERE WITHIN(s.id)
), spans AS (
    SELECT subscription_id, starts_at, ends_at, kind, lead(starts_at) OVER life AS next_start,
           row_number() OVER life AS n
    FROM service_spans WHERE WITHIN(subscription_id) WINDOW life AS (PARTITION BY subscription_id ORDER BY starts_at)
)
SELECT l.id AS subject, 'it has no span of service' AS problem FROM lives l
WHERE (l.step > 0 OR l.created_at < l.reached) AND NOT EXISTS (SELECT FROM spans p WHERE p.subscription_id = l.id)
UNION ALL
SELECT p.subscription_id, 'spans of service without a subscription' FROM spans p
WHERE p.n = 1 AND NOT EXISTS (SELECT FROM lives l WHERE l.id = p.subscription_id)
UNION ALL
SELECT l.id, format('it began on %s, its service on %s', l.created_at, p.starts_at)
FROM lives l JOIN spans p ON p.subscription_id = l.id AND p.n = 1 WHERE p.starts_at <> l.created_at
UNION ALL
SELECT subscription_id, format('a span (%s) ends on %s, before it starts on %s', kind, ends_at, starts_at)
FROM spans WHERE ends_at < starts_at
UNION ALL
SELECT subscription_id,
       CASE WHEN ends_at < next_start THEN format('a gap from %s to %s', ends_at, next_start)
            ELSE format('two spans overlap from %s to %s', next_start, coalesce(CAST(ends_at AS text), 'ever')) END
FROM spans WHERE next_start IS NOT NULL AND ends_at IS DISTINCT FROM next_start
UNION ALL
SELECT l.id, format('it ended on %s, its service on %s', l.ended_at, coalesce(CAST(p.ends_at AS text), 'never'))
FROM lives l JOIN spans p ON p.subscription_id = l.id AND p.next_start IS NULL
WHERE l.ended_at IS NOT NULL AND p.ends_at IS DISTINCT FROM l.ended_at
UNION ALL
SELECT l.id, format('it lives, but its service (%s) ended on %s', p.kind, p.ends_at)
FROM lives l JOIN spans p ON p.subscription_id = l.id AND p.next_start IS NULL
WHERE l.ended_at IS NULL AND p.ends_at <= l.reached
"""
)

_PERIODS = sliced(
    "SELECT count(*) FROM (SELECT DISTINCT subscription_id, period_no FROM service_spans "
    "WHERE WITHIN(subscription_id)) AS periods"
)
# A change of plan to another interval starts a period that its own invoice or credit pays for; the timeline tells.
# A period that was paused or went unpaid at its very first instant has no other span: either is right then. One that
# was ended and revived, or changed to another interval, at its very first instant has no span at all, but its invoice.
_BILLED = sliced(
    """
WITH periods AS (
    SELECT subscription_id, period_no, min(starts_at) AS starts_at, bool_or(kind = 'paid') AS paid,
           max(kind) FILTER (WHERE kind IN ('trial', 'prepaid', 'skipped')) AS free
    FROM service_spans WHERE WITHIN(subscription_id) GROUP BY subscription_id, period_no
), bills AS (
    SELECT subscription_id, period_no, count(*) AS n, min(id) AS id,
           bool_and(key = format('invoice:%s:%s:period', subscription_id, period_no)) AS named,
           min(period_start) AS period_start
    FROM invoices WHERE subscription_id IS NOT NULL AND reason IN ('first_period', 'renewal')
      AND WITHIN(subscription_id)
    GROUP BY subscription_id, period_no
)
SELECT coalesce(p.subscription_id, b.subscription_id) AS subject,
       CASE WHEN p.subscription_id IS NULL THEN format('invoice %s is for period %s, which never was', b.id,
                                                       b.period_no)
            WHEN b.n IS NULL THEN format('period %s (from %s) is paid and has no invoice', p.period_no, p.starts_at)
            WHEN b.n > 1 THEN format('period %s has %s invoices', p.period_no, b.n)
            WHEN p.free IS NOT NULL THEN format('period %s is %s and has invoice %s', p.period_no, p.free, b.id)
            WHEN NOT b.named THEN format('invoice %s of period %s has another key', b.id, p.period_no)
            ELSE format('invoice %s of period %s begins on %s, the period on %s', b.id, p.period_no, b.period_start,
                        p.starts_at) END AS problem
FROM periods p FULL JOIN bills b ON b.subscription_id = p.subscription_id AND b.period_no = p.period_no
WHERE (p.subscription_id IS NULL AND NOT EXISTS (
        SELECT FROM timeline_entries t
        WHERE t.subject_id = b.subscription_id AND t.at = b.period_start
          AND (t.kind IN ('canceled', 'expired') OR (t.kind = 'plan_changed' AND t.actor <> 'engine'))))
   OR b.n > 1 OR NOT b.named OR (p.free IS NOT NULL AND b.n > 0)
   OR b.period_start <> p.starts_at
   OR (p.paid AND b.n IS NULL AND NOT EXISTS (
        SELECT FROM timeline_entries t
        WHERE t.subject_id = p.subscription_id AND t.kind = 'plan_changed' AND t.at = p.starts_at
          AND t.actor <> 'engine'))
"""
)


def spans_tile(session: Session, engine: Engine, part: Slice) -> Outcome:
    """From the beginning of each subscription to its end, or beyond now, without gap or overlap."""
    found = rows(session, _TILING, part, late=engine.clock() - lateness(engine))
    return outcome(f"{count(session, _SPANS, part)} spans of service", found)


def periods_are_billed_once(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """A paid period has exactly its own invoice; a trial, prepaid or skipped one has none."""
    return outcome(f"{count(session, _PERIODS, part)} periods", rows(session, _BILLED, part))
