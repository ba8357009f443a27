"""What the subscriptions of a customer entitle to, with what was used of it: one statement."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.db.repositories.usage_counts import measured
from perennial.domain.entitlements import Held, check_entitlements
from perennial.domain.usage import tidy

SERVED = """
(s.status IN ('trialing', 'active', 'past_due')
     AND NOT coalesce(CAST(s.state #>> '{collection,suspended}' AS boolean), false)
 OR s.status = 'incomplete' AND EXISTS (
     SELECT FROM invoices i WHERE i.key = s.state #>> '{collection,invoice}'
     AND (i.status = 'paid' OR s.state #>> '{collection,due_at}' IS NOT NULL)))
"""
"""Whether the subscriber of the row `s` is to be served: `SubscriptionView.access`, in SQL.

The first invoice may be paid, or sent, a moment before the row says so: see `perennial.engine.states`.
"""

# The period that is running; a renewal that is overdue has not begun another one yet.
USED = measured("s.id", "s.period_start", "'infinity'")
"""What was used of the limit with the meter `m` by the subscription `s` in its period."""

_HELD = text(
    f"""
SELECT c.id AS customer_id, s.id AS subscription_id, s.period_end, part.entitlement, used.quantity AS used
FROM customers c
LEFT JOIN subscriptions s ON s.customer_id = c.id AND {SERVED}
LEFT JOIN plan_versions v ON v.plan_code = s.plan_code AND v.version = s.plan_version
LEFT JOIN LATERAL jsonb_array_elements(v.entitlements) WITH ORDINALITY AS part (entitlement, n) ON true
LEFT JOIN LATERAL (
    SELECT {USED} AS quantity FROM meters m WHERE m.code = part.entitlement ->> 'meter'
) used ON true
WHERE c.id = :customer
ORDER BY s.created_at, s.id, part.n
"""  # noqa: S608 - put together from our own constants
)


def held_by(session: Session, customer_id: str) -> Sequence[Held] | None:
    """Everything that live subscriptions with access give, oldest subscription first. None: no such customer."""
    rows = session.execute(_HELD, {"customer": customer_id}).all()
    if not rows:
        return None
    return [
        Held(
            row.subscription_id,
            row.period_end,
            check_entitlements([row.entitlement])[0],
            None if row.used is None else tidy(row.used),
        )
        for row in rows
        if row.entitlement is not None
    ]
