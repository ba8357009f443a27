"""Alerts: a limit of which some share is used up, told once a billing period."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from perennial.db.repositories import records
from perennial.db.repositories.entitlements import SERVED, USED
from perennial.domain import keys
from perennial.domain.entitlements import check_entitlements
from perennial.domain.subscription.effects import Message
from perennial.domain.usage import tidy

_LATELY = "SELECT DISTINCT subscription_id AS id FROM usage_events WHERE received_at >= :since"
_ON_CLOCK = "SELECT id FROM subscriptions WHERE test_clock_id = :clock AND ended_at IS NULL"


def _reached(asked: str) -> TextClause:
    """Limits of the subscriptions `asked` for, of which some alert has not been told in this period, with their use.

    Whoever is past the last alert is not counted again. MATERIALIZED: who it is is found before anything is counted.
    """
    return text(
        f"""
WITH asked AS MATERIALIZED (
    {asked}
), limits AS MATERIALIZED (
    SELECT s.id, s.customer_id, s.period_start, s.period_end, s.state ->> 'period_no' AS period_no,
           coalesce(clock.now, :now) AS now, part.entitlement, part.n
    FROM asked
    JOIN subscriptions s ON s.id = asked.id AND {SERVED}
    JOIN plan_versions v ON v.plan_code = s.plan_code AND v.version = s.plan_version
    LEFT JOIN test_clocks clock ON clock.id = s.test_clock_id
    CROSS JOIN LATERAL jsonb_array_elements(v.entitlements) WITH ORDINALITY AS part (entitlement, n)
    WHERE EXISTS (
        SELECT FROM jsonb_array_elements_text(part.entitlement -> 'alerts') AS share
        WHERE NOT EXISTS (
            SELECT FROM outbox_messages o
            WHERE o.key = concat_ws(':', 'notify:usage_alert', s.id, part.entitlement ->> 'feature',
                                    s.state ->> 'period_no', share)
        )
    )
)
SELECT s.id, s.customer_id, s.period_end, s.period_no, s.now, s.entitlement, {USED} AS used
FROM limits s JOIN meters m ON m.code = s.entitlement ->> 'meter'
ORDER BY s.id, s.n
"""  # noqa: S608 - put together from our own constants
    )


_OF_LATELY, _OF_CLOCK = _reached(_LATELY), _reached(_ON_CLOCK)


def tell(session: Session, since: datetime, now: datetime) -> None:
    """Into the outbox what has been reached by those of whom events came since then (machine time).

    `now` is the time of those who live on no test clock.
    """
    _tell(session, session.execute(_OF_LATELY, {"since": since, "now": now}).all())


def tell_clock(session: Session, clock_id: str, now: datetime) -> None:
    """The same for everybody on a test clock, which is about to leave the period."""
    _tell(session, session.execute(_OF_CLOCK, {"clock": clock_id, "now": now}).all())


def _tell(session: Session, found: Sequence[Row[Any]]) -> None:
    for row in found:
        [entitlement] = check_entitlements([row.entitlement])
        messages = tuple(
            Message(
                keys.notify("usage_alert", f"{row.id}:{entitlement.feature}:{row.period_no}:{share}"),
                "usage_alert",
                {
                    "feature": entitlement.feature,
                    "share": str(share),
                    "used": f"{tidy(row.used):f}",
                    "limit": f"{entitlement.limit:f}",
                    "ends_at": row.period_end.isoformat(),
                },
            )
            for share in entitlement.reached(row.used)
        )
        records.write_messages(session, messages, row.now, customer_id=row.customer_id, subscription_id=row.id)
