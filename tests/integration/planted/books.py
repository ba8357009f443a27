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
        "messages_are_delivered",
        "nobody delivers",
        ("UPDATE outbox_messages SET next_attempt_at = now() - interval '1 hour'",),
        "not delivered after 0 attempts",
    ),
    Defect(
        "messages_are_delivered",
        "fails again and again",
        ("UPDATE outbox_messages SET attempts = 9, last_error = 'no such mailbox' WHERE id = 1",),
        "no such mailbox",
    ),
)
