# ruff: noqa: S608 (the statements are our own)
"""Spoiled books, documents and messages."""

from tests.integration.planted.model import PAID, Defect

BOOKS = (
    Defect(
        "books_balance",
        "entry changed",
        ("UPDATE ledger_entries SET amount = amount + 1 WHERE transaction_id = 1 AND position = 0",),
        "sum to 1 USD",
    ),
    Defect(
        "books_balance",
        "entries lost",
        ("DELETE FROM ledger_entries WHERE transaction_id = 2",),
        "it has no entries",
    ),
    Defect(
        "credit_equals_ledger",
        "balance raised",
        ("UPDATE credit_balances SET balance = balance + 5",),
        "the balance says",
    ),
    Defect(
        "credit_equals_ledger",
        "a grant that nobody used is gone",
        ("UPDATE credit_grants SET remaining = 0 WHERE remaining > 0",),
        "the grants 0",
    ),
    Defect(
        "credit_equals_ledger",
        "a use that the grant does not know",
        ("UPDATE credit_uses SET amount = amount + 1 WHERE amount > 0",),
        "remain",
    ),
    Defect("credit_equals_ledger", "balance lost", ("DELETE FROM credit_balances WHERE balance > 0",), "says 0"),
    Defect(
        "receivable_equals_open_invoices",
        "paid invoice opened again",
        (f"UPDATE invoices SET status = 'open' WHERE id = {PAID}",),
        "open: ",
    ),
    Defect(
        "receivable_equals_open_invoices",
        "posting of another document",
        ("UPDATE ledger_transactions SET subject_id = 'inv_none' WHERE id = 1",),
        "no such invoice",
    ),
    Defect(
        "refunds_payable_equals_pending",
        "refund forgotten",
        ("UPDATE refunds SET status = 'pending' WHERE status = 'succeeded'",),
        "on its way back, the ledger says 0",
    ),
    Defect(
        "invoices_add_up",
        "line changed",
        (f"UPDATE invoice_lines SET amount = amount - 1 WHERE invoice_id = {PAID}",),
        "its lines",
    ),
    Defect(
        "invoices_add_up",
        "a tax that no line bears",
        (f"UPDATE invoices SET tax = tax + 1, total = total + 1, amount_due = amount_due + 1 WHERE id = {PAID}",),
        "and tax 1, its lines",
    ),
    Defect(
        "invoices_add_up",
        "credit note changed",
        ("UPDATE credit_notes SET net = net + 1, total = total + 1, credited = credited + 1",),
        "its lines",
    ),
    Defect(
        "tax_payable_equals_documents",
        "a tax that was never posted",
        (
            (
                "INSERT INTO invoice_taxes (invoice_id, position, jurisdiction, name, percent, category, reason, base, "
                f"amount) VALUES ({PAID}, 0, 'DE', 'USt', 19, 'S', '', 100, 19)"
            ),
        ),
        "tax_payable:DE: 19 USD of tax, the ledger says 0",
    ),
    Defect(
        "tax_payable_equals_documents",
        "revenue posted as tax",
        ("UPDATE ledger_entries SET account = 'tax_payable:FR' WHERE account = 'deferred_revenue'",),
        "tax_payable:FR: 0 ",
    ),
    Defect(
        "deferred_equals_schedule",
        "revenue that was not deferred",
        ("UPDATE ledger_entries SET account = 'revenue' WHERE account = 'deferred_revenue'",),
        "of it lies ahead, the ledger says 0",
    ),
    Defect(
        "deferred_equals_schedule",
        "a line earned too early",
        (
            (
                "INSERT INTO recognitions (invoice_id, line_position, posting, month, account, amount) SELECT id, 0, "
                f"'recognition:x', to_char(issued_at, 'YYYY-MM'), 'revenue', net FROM invoices WHERE id = {PAID}"
            ),
        ),
        "in the books",
    ),
    Defect(
        "deferred_equals_schedule",
        "lines that no posting has",
        (
            (
                "INSERT INTO recognitions (invoice_id, line_position, posting, month, account, amount) SELECT id, 0, "
                f"'recognition:x', '2029-01', 'revenue', net FROM invoices WHERE id = {PAID}"
            ),
        ),
        "of revenue, the ledger says 0",
    ),
    Defect(
        "numbers_have_no_gap",
        "number skipped",
        ("UPDATE number_series SET next_number = next_number + 1 WHERE name = 'invoice'",),
        "is missing",
    ),
    Defect(
        "numbers_have_no_gap",
        "number beyond the series",
        (f"UPDATE invoices SET number = 'INV-999999' WHERE id = {PAID}",),
        "number 999999 was never given out",
    ),
    Defect(
        "numbers_have_no_gap",
        "no number at all",
        ("UPDATE credit_notes SET number = NULL WHERE number = 'CN-000001'",),
        "its number is missing",
    ),
    Defect(
        "numbers_have_no_gap",
        "one number written in two ways",
        (f"UPDATE invoices SET number = 'INV-0000002' WHERE id = {PAID}",),
        "number 2 is on 2 documents",
    ),
    Defect(
        "numbers_have_no_gap",
        "number skipped in a year",
        ("INSERT INTO number_series (name, next_number) VALUES ('credit_note:2027', 2)",),
        "number 1 is missing",
    ),
    Defect(
        "numbers_have_no_gap",
        "year that was never begun",
        (f"UPDATE invoices SET number = 'T-2027-000001' WHERE id = {PAID}",),
        "its number 1 was never given out",
    ),
    Defect(
        "messages_are_delivered",
        "nobody delivers",
        ("UPDATE outbox_messages SET delivered_at = NULL, next_attempt_at = now() - interval '1 hour'",),
        "not delivered after 1 attempts",
    ),
    Defect(
        "messages_are_delivered",
        "fails again and again",
        ("UPDATE outbox_messages SET delivered_at = NULL, attempts = 9, last_error = 'no such mailbox' WHERE id = 1",),
        "no such mailbox",
    ),
)
