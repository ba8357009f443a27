"""How many subscriptions there are, by plan, status and currency, now or at any instant of the past."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

_NOW = text(
    """
SELECT plan_code AS plan, status, currency, count(*) AS subscriptions, sum(quantity) AS quantity
FROM subscriptions
WHERE ended_at IS NULL AND (CAST(:currency AS text) IS NULL OR currency = :currency)
GROUP BY plan_code, status, currency ORDER BY plan_code, status, currency
"""
)

# The stretch of service that covers the instant says what the subscription was; the invoices that were open then, and
# the failures told by then, say whether it was overdue; the last agreement by then, what it was a subscription of.
_THEN = text(
    """
WITH served AS (
    SELECT DISTINCT ON (p.subscription_id) p.subscription_id AS id, p.kind, p.period_no, s.currency, s.plan_code,
           s.quantity
    FROM service_spans p JOIN subscriptions s ON s.id = p.subscription_id
    WHERE p.starts_at <= :as_of AND (p.ends_at IS NULL OR p.ends_at > :as_of)
      AND (s.ended_at IS NULL OR s.ended_at > :as_of)
      AND (CAST(:currency AS text) IS NULL OR s.currency = :currency)
    ORDER BY p.subscription_id, p.starts_at DESC
), agreed AS (
    SELECT DISTINCT ON (subject_id) subject_id, data ->> 'plan' AS plan, CAST(data ->> 'quantity' AS bigint) AS quantity
    FROM timeline_entries WHERE kind IN ('created', 'plan_changed') AND at <= :as_of
    ORDER BY subject_id, at DESC, step DESC, position DESC
), owing AS (
    SELECT i.subscription_id, bool_or(i.key = format('invoice:%s:%s:period', t.id, t.period_no)) AS of_this_period,
           bool_or(EXISTS (
               SELECT FROM timeline_entries f WHERE f.subject_id = i.subscription_id AND f.kind = 'payment_failed'
                 AND f.at BETWEEN i.issued_at AND :as_of)) AS failed
    FROM served t JOIN invoices i ON i.subscription_id = t.id
    WHERE i.issued_at <= :as_of AND i.amount_due > 0 AND (i.closed_at IS NULL OR i.closed_at > :as_of)
    GROUP BY i.subscription_id
), named AS (
    SELECT coalesce(a.plan, t.plan_code) AS plan, t.currency, coalesce(a.quantity, t.quantity) AS quantity,
           CASE WHEN t.kind = 'trial' THEN 'trialing'
                WHEN t.kind IN ('paused', 'unpaid') THEN t.kind
                WHEN o.of_this_period AND (t.period_no = 0 OR EXISTS (
                    SELECT FROM service_spans e WHERE e.subscription_id = t.id AND e.kind = 'ended'
                      AND e.period_no = t.period_no - 1)) THEN 'incomplete'
                WHEN o.failed THEN 'past_due'
                ELSE 'active' END AS status
    FROM served t LEFT JOIN agreed a ON a.subject_id = t.id LEFT JOIN owing o ON o.subscription_id = t.id
    WHERE t.kind <> 'ended'
)
SELECT plan, status, currency, count(*) AS subscriptions, sum(quantity) AS quantity
FROM named GROUP BY plan, status, currency ORDER BY plan, status, currency
"""
)


def active_subscriptions(session: Session, parameters: Parameters) -> list[Row]:
    """Subscriptions that have begun and not ended: trialing, active, past due, unpaid, paused and incomplete ones.

    Without `as_of` each is counted as it stands (one on a test clock: by its own clock). With it the past is told from
    the spans of service, the agreements and the invoices that were open at that instant; what happened exactly then
    has happened. `quantity` is the number of units (seats) they hold together.
    """
    statement = _THEN if parameters["as_of"] else _NOW
    found = session.execute(statement, dict(parameters))
    return [row._asdict() | {"quantity": int(row.quantity)} for row in found]


REPORT = Report(
    name="active-subscriptions",
    title="Active subscriptions",
    columns=(
        Column("plan", "Plan"),
        Column("status", "Status"),
        Column("currency", "Currency"),
        Column("subscriptions", "Subscriptions", Kind.COUNT),
        Column("quantity", "Quantity", Kind.COUNT),
    ),
    parameters=(
        Parameter("as_of", ParameterKind.INSTANT, "Instant to look at (default: as they stand)."),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=active_subscriptions,
)
