"""Usage: what was billed of it stands on invoices, and no time of a charge is billed twice."""

from sqlalchemy.orm import Session

from perennial.checks.result import Outcome, Slice, count, outcome, rows, sliced
from perennial.engine.context import Engine

_STRETCHES = sliced("SELECT count(*) FROM usage_billed WHERE WITHIN(subscription_id)")
_WRONG = sliced(
    """
WITH billed AS (
    SELECT subscription_id, sum(amount) AS amount FROM usage_billed
    WHERE WITHIN(subscription_id) GROUP BY subscription_id
), told AS (
    SELECT i.subscription_id, sum(l.amount) AS amount
    FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id
    WHERE l.kind = 'usage' AND i.subscription_id IS NOT NULL AND WITHIN(i.subscription_id)
    GROUP BY i.subscription_id
), stretches AS (
    SELECT subscription_id, charge_code, starts_at, ends_at,
           lead(starts_at) OVER (PARTITION BY subscription_id, charge_code ORDER BY starts_at) AS next_start
    FROM usage_billed WHERE WITHIN(subscription_id)
)
SELECT coalesce(b.subscription_id, t.subscription_id) AS subject,
       format('usage for %s was billed, and %s stands on its invoices',
              coalesce(b.amount, 0), coalesce(t.amount, 0)) AS problem
FROM billed b FULL JOIN told t ON t.subscription_id = b.subscription_id
WHERE coalesce(b.amount, 0) <> coalesce(t.amount, 0)
UNION ALL
SELECT subscription_id, format('charge %s is billed twice from %s to %s', charge_code, next_start, ends_at)
FROM stretches WHERE next_start < ends_at
UNION ALL
SELECT s.subscription_id, format('charge %s is billed to %s, events are taken for late only to %s',
                                 s.charge_code, s.ends_at, coalesce(CAST(w.billed_until AS text), 'never'))
FROM usage_billed s LEFT JOIN usage_windows w ON w.subscription_id = s.subscription_id
WHERE WITHIN(s.subscription_id) AND (w.billed_until IS NULL OR s.ends_at > w.billed_until)
"""
)


def usage_is_billed_once(session: Session, _engine: Engine, part: Slice) -> Outcome:
    return outcome(f"{count(session, _STRETCHES, part)} stretches", rows(session, _WRONG, part))
