"""Deferred revenue and tax: what is posted is what the documents say, and what is earned is what days say."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.checks.result import Outcome, Slice, count, outcome, rows, sliced
from perennial.engine.context import Engine

_LINES = sliced(
    "SELECT count(*) FROM (SELECT DISTINCT invoice_id, line_position FROM recognitions WHERE WITHIN(invoice_id)) AS n"
)

# A line is deferred when its service was not over at the date of the document that posts it. What was issued before
# revenue was deferred stands in `recognitions` under the posting of the invoice itself.
_POSTED = sliced(
    """
WITH posted AS (
    SELECT t.subject_id AS id, e.currency, sum(e.amount) AS amount
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE e.account = 'deferred_revenue' AND t.kind <> 'revenue_recognised' AND WITHIN(t.subject_id)
    GROUP BY t.subject_id, e.currency
), said AS (
    SELECT i.id, i.currency, -sum(l.net) + coalesce(sum(r.amount), 0) AS amount
    FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id
    LEFT JOIN recognitions r ON r.invoice_id = l.invoice_id AND r.line_position = l.position
                            AND r.posting = 'issue:' || i.key
    WHERE WITHIN(i.id) AND i.status <> 'void' AND (l.kind = 'gift' OR l.period_end > i.issued_at) GROUP BY i.id
    UNION ALL
    SELECT n.id, n.currency, sum(c.net)
    FROM credit_notes n JOIN corrections c ON c.document_id = n.id
    JOIN invoice_lines l ON l.invoice_id = c.invoice_id AND l.position = c.line_position
    WHERE WITHIN(n.id) AND (l.kind = 'gift' OR l.period_end > n.issued_at) GROUP BY n.id
)
SELECT coalesce(s.id, p.id) AS subject,
       format('%s %s of it lies ahead, the ledger says %s', -coalesce(s.amount, 0), coalesce(s.currency, p.currency),
              -coalesce(p.amount, 0)) AS problem
FROM said s FULL JOIN posted p ON p.id = s.id AND p.currency = s.currency
WHERE coalesce(s.amount, 0) <> coalesce(p.amount, 0)
"""
)
_RECOGNISED = text(
    """
WITH posted AS (
    SELECT t.key AS posting, e.account, -sum(e.amount) AS amount
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE t.kind = 'revenue_recognised' AND e.account <> 'deferred_revenue' GROUP BY t.key, e.account
), told AS (
    SELECT posting, account, sum(amount) AS amount FROM recognitions
    WHERE posting LIKE 'recognition:%' GROUP BY posting, account
)
SELECT coalesce(t.posting, p.posting) AS subject,
       format('its lines come to %s of %s, the ledger says %s', coalesce(t.amount, 0), coalesce(t.account, p.account),
              coalesce(p.amount, 0)) AS problem
FROM told t FULL JOIN posted p ON p.posting = t.posting AND p.account = t.account
WHERE coalesce(t.amount, 0) <> coalesce(p.amount, 0)
"""
)

# Each line at the end of the last month that has something of it: by its days, or whole when its service is over.
_EARNED = sliced(
    """
WITH books AS (
    SELECT coalesce((SELECT timezone FROM sellers WHERE id = 1), 'UTC') AS zone
), told AS (
    SELECT invoice_id, line_position, sum(amount) AS amount, max(month) AS month FROM recognitions
    WHERE WITHIN(invoice_id)
    GROUP BY invoice_id, line_position HAVING bool_and(posting LIKE 'recognition:%')
), lines AS (
    SELECT told.*, i.status, i.closed_at, i.issued_at, l.net, l.period_start, l.period_end, l.kind, b.zone,
           (to_date(told.month, 'YYYY-MM') + interval '1 month') AT TIME ZONE b.zone AS until
    FROM told CROSS JOIN books b JOIN invoices i ON i.id = told.invoice_id
    JOIN invoice_lines l ON l.invoice_id = told.invoice_id AND l.position = told.line_position
), due AS (
    SELECT n.*, coalesce(t.net, 0) AS taken,
           CASE WHEN n.status = 'void' AND n.closed_at < n.until THEN 0
                WHEN n.period_end <= n.until THEN n.net - coalesce(t.net, 0)
                WHEN t.net IS NULL THEN round(n.net * ((n.until AT TIME ZONE n.zone)::date
                                                       - (n.period_start AT TIME ZONE n.zone)::date)::numeric
                                              / ((n.period_end AT TIME ZONE n.zone)::date
                                                 - (n.period_start AT TIME ZONE n.zone)::date)) END AS earned
    FROM lines n LEFT JOIN LATERAL (
        SELECT sum(c.net) AS net FROM corrections c JOIN credit_notes cn ON cn.id = c.document_id
        WHERE c.invoice_id = n.invoice_id AND c.line_position = n.line_position
          AND cn.issued_at < least(n.period_end, n.until)
    ) AS t ON true
    WHERE n.kind <> 'gift'
)
SELECT invoice_id AS subject, format('line %s: %s earned by the end of %s, in the books %s', line_position, earned,
                                     month, amount) AS problem
FROM due WHERE earned <> amount
"""
)

_TAXES = sliced("SELECT count(*) FROM invoice_taxes WHERE WITHIN(invoice_id)")
_TAX = sliced(
    """
WITH posted AS (
    SELECT t.subject_id AS id, e.account, e.currency, -sum(e.amount) AS amount
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE e.account LIKE 'tax_payable:%' AND WITHIN(t.subject_id)
    GROUP BY t.subject_id, e.account, e.currency
), said AS (
    SELECT i.id, 'tax_payable:' || t.jurisdiction AS account, i.currency, sum(t.amount) AS amount
    FROM invoices i JOIN invoice_taxes t ON t.invoice_id = i.id
    WHERE WITHIN(i.id) AND i.status <> 'void' GROUP BY i.id, t.jurisdiction
    UNION ALL
    SELECT n.id, 'tax_payable:' || t.jurisdiction, n.currency, -sum(CAST(part ->> 'amount' AS bigint))
    FROM credit_notes n JOIN corrections c ON c.document_id = n.id
    CROSS JOIN LATERAL jsonb_array_elements(c.taxes) AS part
    JOIN invoice_taxes t ON t.invoice_id = c.invoice_id AND t.position = CAST(part ->> 'position' AS bigint)
    WHERE WITHIN(n.id)
    GROUP BY n.id, t.jurisdiction
)
SELECT coalesce(s.id, p.id) AS subject,
       format('%s: %s %s of tax, the ledger says %s', coalesce(s.account, p.account), coalesce(s.amount, 0),
              coalesce(s.currency, p.currency), coalesce(p.amount, 0)) AS problem
FROM said s FULL JOIN posted p ON p.id = s.id AND p.account = s.account AND p.currency = s.currency
WHERE coalesce(s.amount, 0) <> coalesce(p.amount, 0)
"""
)


def deferred_equals_schedule(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """Documents deferred what lay ahead; each recognised month is what its lines earned by their days.

    Months that are not recognised yet are not missed here; of a line that a credit note has reduced, only what it
    comes to in the end is judged.
    """
    # Months are few, and each is posted over all its lines: they are summed once, with the first slice.
    months = rows(session, _RECOGNISED) if part.after is None else []
    found = [*rows(session, _POSTED, part), *months, *rows(session, _EARNED, part)]
    return outcome(f"{count(session, _LINES, part)} recognised lines", found)


def tax_payable_equals_documents(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """Each document's taxes stand in `tax_payable:{jurisdiction}`, and nothing else does."""
    return outcome(f"{count(session, _TAXES, part)} taxes of invoices", rows(session, _TAX, part))
