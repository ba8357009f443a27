"""What was invoiced, corrected, earned and paid in each month, read off the ledger."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

_BY_MONTH = text(
    """
WITH moved AS (
    SELECT to_char(t.at AT TIME ZONE :timezone, 'YYYY-MM') AS month, e.currency, t.kind, e.amount,
           CASE WHEN e.account NOT LIKE 'cash:%' THEN e.account
                WHEN t.kind LIKE 'dispute%' THEN 'disputed' WHEN t.kind LIKE 'refund%' THEN 'refunded'
                ELSE 'paid' END AS account,
           e.account IN ('revenue', 'deferred_revenue') AS sold
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE (CAST(:as_of AS timestamptz) IS NULL OR t.at <= :as_of)
      AND (CAST(:currency AS text) IS NULL OR e.currency = :currency)
      AND (e.account IN ('revenue', 'deferred_revenue', 'bad_debt', 'dispute_losses') OR e.account LIKE 'cash:%')
)
SELECT month, currency,
       -coalesce(sum(amount) FILTER (WHERE sold AND kind = 'invoice_issued'), 0) AS invoiced,
       coalesce(sum(amount) FILTER (WHERE sold AND kind = 'invoice_voided'), 0) AS voided,
       coalesce(sum(amount) FILTER (WHERE sold AND kind = 'credit_note_issued'), 0) AS credited,
       -coalesce(sum(amount) FILTER (WHERE sold AND kind <> 'revenue_recognised'), 0) AS net,
       -coalesce(sum(amount) FILTER (WHERE account = 'revenue'), 0) AS earned,
       coalesce(sum(amount) FILTER (WHERE account = 'bad_debt'), 0) AS written_off,
       coalesce(sum(amount) FILTER (WHERE account = 'paid'), 0) AS paid,
       -coalesce(sum(amount) FILTER (WHERE account = 'refunded'), 0) AS refunded,
       -coalesce(sum(amount) FILTER (WHERE account = 'disputed'), 0) AS disputed,
       coalesce(sum(amount) FILTER (WHERE account = 'dispute_losses'), 0) AS lost
FROM moved GROUP BY month, currency ORDER BY month, currency
"""
)
_AMOUNTS = ("invoiced", "voided", "credited", "net", "earned", "written_off", "paid", "refunded", "disputed", "lost")


def revenue(session: Session, parameters: Parameters) -> list[Row]:
    """Sums of the ledger by calendar month (of `timezone`) and currency, in minor units, up to `as_of` inclusive.

    `invoiced`: invoices issued, without tax, discounts taken off, whatever paid for them (credit balance included) and
    whenever the service is given. `voided`: invoices taken back as if never issued. `credited`: credit notes, without
    tax. `net` = invoiced - voided - credited. `earned`: what became revenue, as service was given; over a whole life it
    comes to `net` (without gifts that nobody claims: those are breakage). `written_off`: invoices given up as losses,
    tax included; they stay in `net`. `paid`: money that came in, `refunded`: money that went back, less what came back
    to us because no bank could take it, `disputed`: what banks took for disputes less what they gave back, `lost`: what
    disputes cost when they were lost, tax included; it stays in `net` as well. Each counts in the month of its own
    posting: an invoice of January that is paid in February is invoiced in January and paid in February. `earned` is
    complete for months that have been recognised (`perennial books recognise`).
    """
    found = session.execute(_BY_MONTH, dict(parameters))
    return [row._asdict() | {name: int(getattr(row, name)) for name in _AMOUNTS} for row in found]


REPORT = Report(
    name="revenue",
    title="Revenue by month",
    columns=(
        Column("month", "Month", Kind.MONTH),
        Column("currency", "Currency"),
        Column("invoiced", "Invoiced", Kind.MONEY),
        Column("voided", "Voided", Kind.MONEY),
        Column("credited", "Credited", Kind.MONEY),
        Column("net", "Net", Kind.MONEY),
        Column("earned", "Earned", Kind.MONEY),
        Column("written_off", "Written off", Kind.MONEY),
        Column("paid", "Paid", Kind.MONEY),
        Column("refunded", "Refunded", Kind.MONEY),
        Column("disputed", "Disputed", Kind.MONEY),
        Column("lost", "Lost", Kind.MONEY),
    ),
    parameters=(
        Parameter("timezone", ParameterKind.TIMEZONE, "Where months begin and end.", "UTC"),
        Parameter("as_of", ParameterKind.INSTANT, "Nothing later than this instant."),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=revenue,
)
