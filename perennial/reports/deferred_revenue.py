"""What was billed for service ahead, and how it is earned, month by month."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

_BY_MONTH = text(
    """
WITH moved AS (
    SELECT e.currency, to_char(t.at AT TIME ZONE :timezone, 'YYYY-MM') AS month, t.kind, -e.amount AS amount
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE e.account = 'deferred_revenue'
      AND (CAST(:as_of AS timestamptz) IS NULL OR t.at <= :as_of)
      AND (CAST(:currency AS text) IS NULL OR e.currency = :currency)
), months AS (
    SELECT currency, month,
           coalesce(sum(amount) FILTER (WHERE kind = 'invoice_issued'), 0) AS added,
           -coalesce(sum(amount) FILTER (WHERE kind NOT IN ('invoice_issued', 'revenue_recognised')), 0) AS taken_back,
           -coalesce(sum(amount) FILTER (WHERE kind = 'revenue_recognised'), 0) AS recognised,
           sum(amount) AS moved
    FROM moved GROUP BY currency, month
), sums AS (
    SELECT *, sum(moved) OVER (PARTITION BY currency ORDER BY month) AS closing FROM months
)
SELECT month, currency, closing - moved AS opening, added, taken_back, recognised, closing
FROM sums ORDER BY month, currency
"""
)
_AMOUNTS = ("opening", "added", "taken_back", "recognised", "closing")


def deferred_revenue(session: Session, parameters: Parameters) -> list[Row]:
    """The account `deferred_revenue` by calendar month (of `timezone`) and currency, in minor units without tax.

    `opening`: what was billed for service ahead and not earned when the month began. `added`: billed in the month
    (credit lines taken off). `taken_back`: by credit notes and voided invoices of the month. `recognised`: what became
    revenue or breakage. `closing` = opening + added - taken_back - recognised; the `closing` of the last row is what is
    deferred at `as_of` (which itself counts). A month counts as earned when it has been recognised
    (`perennial books recognise`). Months without a movement have no row.
    """
    found = session.execute(_BY_MONTH, dict(parameters))
    return [row._asdict() | {name: int(getattr(row, name)) for name in _AMOUNTS} for row in found]


REPORT = Report(
    name="deferred-revenue",
    title="Deferred revenue by month",
    columns=(
        Column("month", "Month", Kind.MONTH),
        Column("currency", "Currency"),
        Column("opening", "Opening", Kind.MONEY),
        Column("added", "Added", Kind.MONEY),
        Column("taken_back", "Taken back", Kind.MONEY),
        Column("recognised", "Recognised", Kind.MONEY),
        Column("closing", "Closing", Kind.MONEY),
    ),
    parameters=(
        Parameter("timezone", ParameterKind.TIMEZONE, "Where months begin and end.", "UTC"),
        Parameter("as_of", ParameterKind.INSTANT, "Nothing later than this instant."),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=deferred_revenue,
)
