"""Books that are older than deferred revenue."""

from datetime import UTC, datetime

from alembic import command
from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.books.recognise import recognise
from perennial.cli.migrations import configuration
from perennial.domain.months import Month
from tests.support.databases import own_database

CUSTOMER = "INSERT INTO customers (id, name, email, created_at) VALUES ('cus', 'Ada', 'ada@example.com', now())"
INVOICES = """
INSERT INTO invoices (id, key, number, customer_id, reason, period_no, period_start, period_end, currency, subtotal,
                      discount, net, tax, total, credit_applied, amount_due, status, issued_at, closed_at)
SELECT 'inv_' || status, status, status, 'cus', 'renewal', 0, '2027-01-01Z', '2027-04-01Z', 'EUR', 900, 0, 900, 0, 900,
       0, 900, status, '2027-01-01Z', '2027-02-05Z' FROM unnest(ARRAY['open', 'paid', 'void']) AS status
"""
LINES = """
INSERT INTO invoice_lines (invoice_id, position, kind, description, quantity, amount, discount, net, tax, period_start,
                           period_end)
SELECT id, 0, 'plan', 'Basic', 1, 900, 0, 900, 0, period_start, period_end FROM invoices
"""
TRANSACTIONS = """
INSERT INTO ledger_transactions (key, kind, subject_id, at)
SELECT 'issue:' || key, 'invoice_issued', id, issued_at FROM invoices
"""
ENTRIES = """
INSERT INTO ledger_entries (transaction_id, position, account, currency, amount)
SELECT id, 0, 'receivable', 'EUR', 900 FROM ledger_transactions
UNION ALL SELECT id, 1, 'revenue', 'EUR', -900 FROM ledger_transactions
"""
OLD = (CUSTOMER, INVOICES, LINES, TRANSACTIONS, ENTRIES)
VOIDED = "UPDATE invoices SET status = 'void', closed_at = '2027-03-03Z' WHERE id = 'inv_open'"


def test_what_was_posted_as_revenue_at_once_is_not_recognised_again(database_url: str) -> None:
    with own_database(database_url) as engine:
        alembic = configuration(engine.url.render_as_string(hide_password=False))
        command.upgrade(alembic, "0007")
        with engine.begin() as connection:
            for statement in OLD:
                connection.execute(text(statement))
        command.upgrade(alembic, "head")
        with Session(engine) as session:
            told = session.execute(text("SELECT invoice_id, posting, month, amount FROM recognitions ORDER BY 1")).all()
            assert [tuple(row) for row in told] == [
                ("inv_open", "issue:open", "2027-01", 900),
                ("inv_paid", "issue:paid", "2027-01", 900),
                ("inv_void", "issue:void", "2027-02", 0),
            ]
            assert recognise(session, Month(2027, 6), datetime(2030, 1, 1, tzinfo=UTC)) == []
            session.execute(text(VOIDED))
            assert recognise(session, Month(2027, 6), datetime(2030, 1, 1, tzinfo=UTC)) == []
