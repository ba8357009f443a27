# ruff: noqa: S608 (the statements are our own)
"""Spoiled disputes, here and at the bank."""

from tests.integration.planted.model import Defect

_LOST = "SELECT id FROM ledger_transactions WHERE key LIKE 'lost:dispute:%'"
_OPEN = "SELECT a.key FROM disputes d JOIN payment_attempts a ON a.id = d.attempt_id WHERE d.status = 'open' LIMIT 1"
_CHARGE = "SELECT attempt_id FROM disputes WHERE status = 'lost'"
_GIVEN_BACK = f"""
INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
SELECT 'dispute_won', account, -amount, currency, charge_key, gateway_ref FROM simulator.entries
WHERE movement = 'dispute' AND charge_key = ({_OPEN})
"""

DISPUTES = (
    Defect(
        "disputes_equal_ledger",
        "decided by nobody",
        ("UPDATE disputes SET status = 'won', closed_at = now() WHERE status = 'open'",),
        "won: the bank holds 0",
    ),
    Defect(
        "disputes_equal_ledger",
        "a loss that was not posted",
        (f"DELETE FROM ledger_entries WHERE transaction_id IN ({_LOST})",),
        "lost, and 0 are posted as lost",
    ),
    Defect(
        "disputes_equal_ledger",
        "refunded too",
        (f"UPDATE payment_attempts SET amount = amount - 1 WHERE id = ({_CHARGE})",),
        "disputed of a charge of",
    ),
    Defect(
        "disputes_agree",
        "booked for less than the bank took",
        ("UPDATE disputes SET amount = amount - 1 WHERE status = 'open'",),
        "are booked as disputed",
    ),
    Defect("disputes_agree", "the bank gave it back", (_GIVEN_BACK,), "the bank has 0 of it"),
)
