"""The books: what was posted sums to nought and says the same as the documents it comes from."""

from sqlalchemy.orm import Session

from perennial.checks.result import Outcome, Slice, count, outcome, rows, sliced
from perennial.engine.context import Engine

_TRANSACTIONS = sliced("SELECT count(*) FROM ledger_transactions WHERE WITHIN(id)")
_UNBALANCED = sliced(
    """
SELECT t.key AS subject, format('its entries sum to %s %s', sum(e.amount), e.currency) AS problem
FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
WHERE WITHIN(e.transaction_id)
GROUP BY t.id, e.currency HAVING sum(e.amount) <> 0
UNION ALL
SELECT t.key, 'it has no entries' FROM ledger_transactions t
WHERE WITHIN(t.id) AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.transaction_id = t.id)
UNION ALL
SELECT 'ledger', format('all entries in %s sum to %s', currency, sum(amount))
FROM ledger_entries WHERE WITHIN(transaction_id) GROUP BY currency HAVING sum(amount) <> 0
"""
)

_BALANCES = sliced("SELECT count(*) FROM credit_balances WHERE WITHIN(customer_id)")
_CREDIT = sliced(
    """
WITH posted AS (
    SELECT substr(account, 8) AS customer_id, currency, -sum(amount) AS balance
    FROM ledger_entries WHERE account LIKE 'credit:%' AND WITHIN(account, 'credit:') GROUP BY account, currency
), given AS (
    SELECT customer_id, currency, sum(remaining) AS balance FROM credit_grants
    WHERE WITHIN(customer_id) GROUP BY customer_id, currency
)
SELECT customer_id AS subject,
       format('the balance says %s %s, the ledger %s, the grants %s', coalesce(b.balance, 0), currency,
              coalesce(p.balance, 0), coalesce(g.balance, 0)) AS problem
FROM (SELECT * FROM credit_balances WHERE WITHIN(customer_id)) b
FULL JOIN posted p USING (customer_id, currency)
FULL JOIN given g USING (customer_id, currency)
WHERE coalesce(b.balance, 0) <> coalesce(p.balance, 0) OR coalesce(b.balance, 0) <> coalesce(g.balance, 0)
UNION ALL
SELECT g.id, format('used %s and expired %s of %s, but %s remain', coalesce(u.used, 0), g.expired, g.amount,
                    g.remaining)
FROM credit_grants g
LEFT JOIN LATERAL (SELECT sum(amount) AS used FROM credit_uses WHERE grant_id = g.id) u ON true
WHERE WITHIN(g.customer_id) AND g.remaining <> g.amount - g.expired - coalesce(u.used, 0)
"""
)

_OPEN = sliced("SELECT count(*) FROM invoices WHERE status = 'open' AND WITHIN(id)")
_RECEIVABLE = sliced(
    """
WITH posted AS (
    SELECT t.subject_id AS invoice_id, e.currency, sum(e.amount) AS amount
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE e.account = 'receivable' AND WITHIN(t.subject_id) GROUP BY t.subject_id, e.currency
), owed AS (
    SELECT id, currency, status, CASE WHEN status = 'open' THEN amount_due ELSE 0 END AS amount FROM invoices
    WHERE WITHIN(id)
)
SELECT coalesce(o.id, p.invoice_id) AS subject,
       format('%s: %s %s owed, the ledger says %s', coalesce(o.status, 'no such invoice'), coalesce(o.amount, 0),
              coalesce(o.currency, p.currency), coalesce(p.amount, 0)) AS problem
FROM owed o FULL JOIN posted p ON p.invoice_id = o.id AND p.currency = o.currency
WHERE coalesce(o.amount, 0) <> coalesce(p.amount, 0)
"""
)

_PENDING_REFUNDS = sliced("SELECT count(*) FROM refunds WHERE status = 'pending' AND WITHIN(credit_note_id)")
_REFUNDS_PAYABLE = sliced(
    """
WITH posted AS (
    SELECT t.subject_id AS credit_note_id, e.currency, -sum(e.amount) AS amount
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE e.account = 'refunds_payable' AND WITHIN(t.subject_id) GROUP BY t.subject_id, e.currency
    HAVING sum(e.amount) <> 0
), promised AS (
    SELECT credit_note_id, currency, sum(amount) AS amount FROM refunds
    WHERE status = 'pending' AND WITHIN(credit_note_id)
    GROUP BY credit_note_id, currency
)
SELECT coalesce(r.credit_note_id, p.credit_note_id) AS subject,
       format('%s %s on its way back, the ledger says %s', coalesce(r.amount, 0), coalesce(r.currency, p.currency),
              coalesce(p.amount, 0)) AS problem
FROM promised r FULL JOIN posted p ON p.credit_note_id = r.credit_note_id AND p.currency = r.currency
WHERE coalesce(r.amount, 0) <> coalesce(p.amount, 0)
"""
)

_INVOICES = sliced("SELECT count(*) FROM invoices WHERE WITHIN(id)")
_SUMS = sliced(
    """
WITH lines AS (
    SELECT invoice_id, sum(amount) AS subtotal, sum(discount) AS discount, sum(net) AS net, sum(tax) AS tax
    FROM invoice_lines WHERE WITHIN(invoice_id) GROUP BY invoice_id
), parts AS (
    SELECT l.invoice_id, l.position AS line, CAST(part ->> 'position' AS bigint) AS position,
           CAST(part ->> 'amount' AS bigint) AS amount
    FROM invoice_lines l CROSS JOIN LATERAL jsonb_array_elements(l.taxes) AS part
    WHERE WITHIN(l.invoice_id)
), taxes AS (
    SELECT t.invoice_id, t.position, t.amount, coalesce(sum(p.amount), 0) AS of_lines
    FROM invoice_taxes t LEFT JOIN parts p ON p.invoice_id = t.invoice_id AND p.position = t.position
    WHERE WITHIN(t.invoice_id)
    GROUP BY t.invoice_id, t.position
), given AS (
    SELECT document_id, sum(net) AS net, sum(tax) AS tax FROM corrections WHERE WITHIN(document_id)
    GROUP BY document_id
)
SELECT i.id AS subject, format('subtotal %s, discount %s, net %s and tax %s, its lines %s, %s, %s and %s', i.subtotal,
                               i.discount, i.net, i.tax, l.subtotal, l.discount, l.net, l.tax) AS problem
FROM invoices i LEFT JOIN lines l ON l.invoice_id = i.id
WHERE WITHIN(i.id)
  AND (i.subtotal, i.discount, i.net, i.tax) IS DISTINCT FROM (l.subtotal, l.discount, l.net, l.tax)
UNION ALL
SELECT l.invoice_id, format('line %s: %s less %s is not net %s with tax %s', l.position, l.amount, l.discount, l.net,
                            l.tax)
FROM invoice_lines l
WHERE WITHIN(l.invoice_id) AND l.kind <> 'proration_credit'
  AND l.amount - l.discount <> l.net + CASE WHEN l.tax_inclusive THEN l.tax ELSE 0 END
UNION ALL
SELECT l.invoice_id, format('line %s: tax %s, its parts %s', l.position, l.tax, coalesce(sum(p.amount), 0))
FROM invoice_lines l LEFT JOIN parts p ON p.invoice_id = l.invoice_id AND p.line = l.position
WHERE WITHIN(l.invoice_id)
GROUP BY l.invoice_id, l.position HAVING l.tax <> coalesce(sum(p.amount), 0)
UNION ALL
SELECT invoice_id, format('tax %s: %s, on its lines %s', position, amount, of_lines)
FROM taxes WHERE amount <> of_lines
UNION ALL
SELECT n.id, format('net %s and tax %s, its lines %s and %s', n.net, n.tax, g.net, g.tax)
FROM credit_notes n JOIN given g ON g.document_id = n.id
WHERE WITHIN(n.id) AND (n.net, n.tax) IS DISTINCT FROM (g.net, g.tax)
"""
)


def books_balance(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """Every transaction sums to nought in each of its currencies, and so does the whole ledger."""
    found = rows(session, _UNBALANCED, part)
    return outcome(f"{count(session, _TRANSACTIONS, part)} transactions", found, ledger_balanced=int(not found))


def credit_equals_ledger(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """What customers have in credit is what the account `credit:{customer}` holds, and what is left of their grants."""
    return outcome(f"{count(session, _BALANCES, part)} balances", rows(session, _CREDIT, part))


def receivable_equals_open_invoices(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """Each open invoice stands in `receivable` with what is due, and nothing else does."""
    return outcome(f"{count(session, _OPEN, part)} open invoices", rows(session, _RECEIVABLE, part))


def refunds_payable_equals_pending(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """What is promised back and not yet sent is what `refunds_payable` holds."""
    return outcome(
        f"{count(session, _PENDING_REFUNDS, part)} refunds on their way", rows(session, _REFUNDS_PAYABLE, part)
    )


def invoices_add_up(session: Session, _engine: Engine, part: Slice) -> Outcome:
    """The lines of a document sum to its totals, the taxes of the lines to the taxes of the document."""
    return outcome(f"{count(session, _INVOICES, part)} invoices", rows(session, _SUMS, part))
