"""What tax was collected and given back: what goes into a return."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

# A credit note takes its taxes from the invoice that it corrects; the base of each is the lines that bore it.
_BY_MONTH = text(
    """
WITH moved AS (
    SELECT i.issued_at AS at, i.currency, t.invoice_id, t.position, t.base, t.amount AS tax, false AS back
    FROM invoice_taxes t JOIN invoices i ON i.id = t.invoice_id
    UNION ALL
    SELECT i.closed_at, i.currency, t.invoice_id, t.position, t.base, t.amount, true
    FROM invoice_taxes t JOIN invoices i ON i.id = t.invoice_id WHERE i.status = 'void'
    UNION ALL
    SELECT n.issued_at, n.currency, c.invoice_id, CAST(part ->> 'position' AS bigint), c.net,
           CAST(part ->> 'amount' AS bigint), true
    FROM credit_notes n JOIN corrections c ON c.document_id = n.id
    CROSS JOIN LATERAL jsonb_array_elements(c.taxes) AS part
)
SELECT to_char(m.at AT TIME ZONE :timezone, 'YYYY-MM') AS month, m.currency, t.jurisdiction, t.name, t.percent,
       t.category, coalesce(sum(m.base) FILTER (WHERE NOT m.back), 0) AS base,
       coalesce(sum(m.tax) FILTER (WHERE NOT m.back), 0) AS collected,
       coalesce(sum(m.base) FILTER (WHERE m.back), 0) AS credited_base,
       coalesce(sum(m.tax) FILTER (WHERE m.back), 0) AS credited,
       sum(CASE WHEN m.back THEN -m.tax ELSE m.tax END) AS payable
FROM moved m JOIN invoice_taxes t ON t.invoice_id = m.invoice_id AND t.position = m.position
WHERE (CAST(:as_of AS timestamptz) IS NULL OR m.at <= :as_of)
  AND (CAST(:currency AS text) IS NULL OR m.currency = :currency)
GROUP BY month, m.currency, t.jurisdiction, t.name, t.percent, t.category
ORDER BY month, m.currency, t.jurisdiction, t.name, t.percent, t.category
"""
)
_AMOUNTS = ("base", "collected", "credited_base", "credited", "payable")


def tax(session: Session, parameters: Parameters) -> list[Row]:
    """Taxes on documents by calendar month (of `timezone`), currency, jurisdiction, tax, rate and category.

    Amounts in minor units, up to `as_of` inclusive. `base`: net amounts of invoices issued in the month, credit lines
    taken off; `collected`: the tax on them. `credited_base` and `credited`: the same of credit notes and of voided
    invoices, in the month in which these were made. `payable` = collected - credited: over all months it is what the
    account `tax_payable:{jurisdiction}` holds. `category` is that of EN 16931 (S standard, Z zero, E exempt, AE
    reverse charge, G export, O outside of scope): what bears no tax stands here too. Tax counts when it is invoiced,
    not when it is paid; an invoice that is written off keeps its tax.
    """
    found = session.execute(_BY_MONTH, dict(parameters))
    return [
        row._asdict()
        | {"percent": f"{row.percent.normalize():f}"}
        | {name: int(getattr(row, name)) for name in _AMOUNTS}
        for row in found
    ]


REPORT = Report(
    name="tax",
    title="Tax by month",
    columns=(
        Column("month", "Month", Kind.MONTH),
        Column("currency", "Currency"),
        Column("jurisdiction", "Jurisdiction"),
        Column("name", "Tax"),
        Column("percent", "Percent"),
        Column("category", "Category"),
        Column("base", "Base", Kind.MONEY),
        Column("collected", "Collected", Kind.MONEY),
        Column("credited_base", "Base credited", Kind.MONEY),
        Column("credited", "Credited", Kind.MONEY),
        Column("payable", "Payable", Kind.MONEY),
    ),
    parameters=(
        Parameter("timezone", ParameterKind.TIMEZONE, "Where months begin and end.", "UTC"),
        Parameter("as_of", ParameterKind.INSTANT, "Nothing later than this instant."),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=tax,
)
