"""What must be true of a customer's documents and books, whatever has happened."""

from collections import Counter

from sqlalchemy import text
from sqlalchemy.orm import Session


def add_up(session: Session, customer: str) -> None:
    """Parts sum to totals in every document; lines are never taken back further than they were charged; books agree."""
    mine = {"id": customer}
    wrong = session.execute(
        text(
            "SELECT i.id FROM invoices i JOIN (SELECT invoice_id, sum(net) AS net, sum(tax) AS tax, "
            "sum(amount) AS amount, sum(discount) AS discount FROM invoice_lines GROUP BY invoice_id) l "
            "ON l.invoice_id = i.id WHERE i.customer_id = :id AND "
            "(i.net, i.tax, i.subtotal, i.discount) <> (l.net, l.tax, l.amount, l.discount)"
        ),
        mine,
    ).all()
    assert wrong == []
    taxed = session.execute(
        text(
            "SELECT i.id FROM invoices i LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM invoice_taxes "
            "GROUP BY invoice_id) t ON t.invoice_id = i.id "
            "WHERE i.customer_id = :id AND i.tax <> coalesce(t.amount, 0)"
        ),
        mine,
    ).all()
    assert taxed == []
    too_far = session.execute(
        text(
            "SELECT l.invoice_id, l.position FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
            "JOIN corrections c ON c.invoice_id = l.invoice_id AND c.line_position = l.position "
            "WHERE i.customer_id = :id GROUP BY l.invoice_id, l.position "
            "HAVING sum(c.net) > min(l.net) OR sum(c.tax) > min(l.tax) OR min(c.net) < 0 OR min(c.tax) < 0"
        ),
        mine,
    ).all()
    assert too_far == []
    unlike = session.execute(
        text(
            "SELECT n.id FROM credit_notes n JOIN (SELECT document_id, sum(net) AS net, sum(tax) AS tax "
            "FROM corrections GROUP BY document_id) c ON c.document_id = n.id "
            "WHERE n.customer_id = :id AND (n.net, n.tax) <> (c.net, c.tax)"
        ),
        mine,
    ).all()
    assert unlike == []
    entries = session.execute(
        text(
            "SELECT e.account, e.amount FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id "
            "WHERE t.subject_id IN (SELECT id FROM invoices WHERE customer_id = :id "
            "UNION ALL SELECT id FROM credit_notes WHERE customer_id = :id)"
        ),
        mine,
    )
    kept: Counter[str] = Counter()
    for account, amount in entries:
        kept[account] += amount
    assert sum(kept.values()) == 0
    open_ones = "SELECT coalesce(sum(amount_due), 0) FROM invoices WHERE customer_id = :id AND status = 'open'"
    assert kept["receivable"] == session.execute(text(open_ones), mine).scalar_one()
    balance = session.execute(
        text("SELECT coalesce(sum(balance), 0) FROM credit_balances WHERE customer_id = :id"), mine
    ).scalar_one()
    assert -kept[f"credit:{customer}"] == balance >= 0
    owed = session.execute(
        text(
            "SELECT coalesce(sum(t.amount), 0) FROM invoice_taxes t JOIN invoices i ON i.id = t.invoice_id "
            "WHERE i.customer_id = :id AND i.status <> 'void'"
        ),
        mine,
    ).scalar_one()
    given_back = session.execute(
        text("SELECT coalesce(sum(tax), 0) FROM credit_notes WHERE customer_id = :id"), mine
    ).scalar_one()
    payable = [-amount for account, amount in kept.items() if account.startswith("tax_payable:")]
    assert sum(payable) == owed - given_back
    assert min(payable, default=0) >= 0
    earned = session.execute(
        text(
            "SELECT (SELECT coalesce(sum(net), 0) FROM invoices WHERE customer_id = :id AND status <> 'void') "
            "- (SELECT coalesce(sum(net), 0) FROM credit_notes WHERE customer_id = :id)"
        ),
        mine,
    ).scalar_one()
    assert -kept["revenue"] - kept["deferred_revenue"] == earned >= 0
    sent_back = session.execute(
        text(
            "SELECT p.id FROM payment_attempts p JOIN refunds r ON r.attempt_id = p.id WHERE p.customer_id = :id "
            "GROUP BY p.id HAVING sum(r.amount) > min(p.amount) OR min(p.status) <> 'succeeded'"
        ),
        mine,
    ).all()
    assert sent_back == []
    bases = session.execute(
        text(
            "SELECT i.id FROM invoices i JOIN invoice_taxes t ON t.invoice_id = i.id WHERE i.customer_id = :id "
            "AND NOT EXISTS "
            "(SELECT FROM invoice_lines l WHERE l.invoice_id = i.id AND jsonb_array_length(l.taxes) <> 1) "
            "GROUP BY i.id HAVING sum(t.base) <> min(i.net)"
        ),
        mine,
    ).all()
    assert bases == []


def usage_adds_up(session: Session, subscription: str) -> None:
    """Each event is billed once, late ones with the next invoice; nothing else is billed as usage."""
    mine = {"id": subscription}
    twice = session.execute(
        text(
            "SELECT a.starts_at FROM usage_billed a JOIN usage_billed b USING (subscription_id, charge_code) "
            "WHERE subscription_id = :id AND a.starts_at < b.starts_at AND b.starts_at < a.ends_at"
        ),
        mine,
    ).all()
    assert twice == []
    counted = session.execute(
        text(
            "SELECT b.quantity, greatest(0, (SELECT coalesce(sum(CAST(e.properties ->> 'n' AS numeric)), 0) "
            "FROM usage_events e WHERE e.subscription_id = :id AND NOT e.late "
            "AND e.at >= b.starts_at AND e.at < b.ends_at)) AS events FROM usage_billed b WHERE b.subscription_id = :id"
        ),
        mine,
    ).all()
    assert [row.quantity for row in counted] == [row.events for row in counted]
    sums = session.execute(
        text(
            "SELECT (SELECT coalesce(sum(amount), 0) FROM usage_billed WHERE subscription_id = :id) AS billed, "
            "(SELECT coalesce(sum(l.amount), 0) FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
            "WHERE i.subscription_id = :id AND l.kind = 'usage') AS told"
        ),
        mine,
    ).one()
    assert sums.billed == sums.told
