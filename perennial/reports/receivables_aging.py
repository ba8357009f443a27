"""Who owes what, and for how long it has been due."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

_BY_CUSTOMER = text(
    """
WITH reached AS (
    SELECT coalesce(CAST(:as_of AS timestamptz), greatest(now(), max(issued_at), max(closed_at))) AS at
    FROM invoices
), owed AS (
    SELECT i.customer_id, i.currency, i.amount_due AS amount,
           (r.at AT TIME ZONE :timezone)::date
           - (coalesce(i.due_at, i.issued_at) AT TIME ZONE :timezone)::date AS days
    FROM invoices i CROSS JOIN reached r
    WHERE i.issued_at <= r.at AND i.amount_due > 0 AND (i.closed_at IS NULL OR i.closed_at > r.at)
      AND (CAST(:currency AS text) IS NULL OR i.currency = :currency)
)
SELECT customer_id AS customer, currency, count(*) AS invoices,
       coalesce(sum(amount) FILTER (WHERE days <= 0), 0) AS current,
       coalesce(sum(amount) FILTER (WHERE days BETWEEN 1 AND 30), 0) AS days_1_30,
       coalesce(sum(amount) FILTER (WHERE days BETWEEN 31 AND 60), 0) AS days_31_60,
       coalesce(sum(amount) FILTER (WHERE days BETWEEN 61 AND 90), 0) AS days_61_90,
       coalesce(sum(amount) FILTER (WHERE days > 90), 0) AS days_over_90,
       sum(amount) AS total
FROM owed GROUP BY customer_id, currency ORDER BY currency, total DESC, customer_id
"""
)
_AMOUNTS = ("current", "days_1_30", "days_31_60", "days_61_90", "days_over_90", "total")


def receivables_aging(session: Session, parameters: Parameters) -> list[Row]:
    """What each customer owes on invoices that are open at `as_of`, by how many days it has been due, in minor units.

    Days are calendar days of `timezone` from the due date; an invoice that was charged at once was due when it was
    issued. `current`: not due yet, or due today. Then 1 to 30 days, 31 to 60, 61 to 90, and more. What a customer has
    in credit is not taken off, and invoices given up are no longer owed. The sum over all customers is what the account
    `receivable` holds. Without `as_of` it is now, or the last that a test clock ahead of now has seen.
    """
    found = session.execute(_BY_CUSTOMER, dict(parameters))
    return [row._asdict() | {name: int(getattr(row, name)) for name in _AMOUNTS} for row in found]


REPORT = Report(
    name="receivables-aging",
    title="Receivables by age",
    columns=(
        Column("customer", "Customer"),
        Column("currency", "Currency"),
        Column("invoices", "Invoices", Kind.COUNT),
        Column("current", "Current", Kind.MONEY),
        Column("days_1_30", "1-30 days", Kind.MONEY),
        Column("days_31_60", "31-60 days", Kind.MONEY),
        Column("days_61_90", "61-90 days", Kind.MONEY),
        Column("days_over_90", "Over 90 days", Kind.MONEY),
        Column("total", "Total", Kind.MONEY),
    ),
    parameters=(
        Parameter("as_of", ParameterKind.INSTANT, "At this instant."),
        Parameter("timezone", ParameterKind.TIMEZONE, "Whose calendar days are counted.", "UTC"),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=receivables_aging,
)
