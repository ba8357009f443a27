# ruff: noqa: S608 (the statements are our own)
"""Spoiled payments, here and at the gateway."""

from tests.integration.planted.model import COPY_ATTEMPT, FIRST_ATTEMPT, Defect

PAYMENTS = (
    Defect(
        "invoices_paid_once",
        "two attempts succeeded",
        (COPY_ATTEMPT.format(more=0, status="succeeded") + FIRST_ATTEMPT,),
        "2 attempts at it have succeeded",
    ),
    Defect(
        "invoices_paid_once",
        "another amount",
        (f"UPDATE payment_attempts SET amount = amount - 1 WHERE id = {FIRST_ATTEMPT}",),
        "for an invoice over",
    ),
    Defect(
        "invoices_paid_once",
        "paid by nothing",
        (f"UPDATE payment_attempts SET status = 'declined' WHERE id = {FIRST_ATTEMPT}",),
        "no attempt has succeeded",
    ),
    Defect(
        "gateway_agrees",
        "charge unknown to the gateway",
        (f"DELETE FROM simulator.payments WHERE key = (SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})",),
        "the gateway does not know the charge",
    ),
    Defect(
        "gateway_agrees",
        "other amount captured",
        (
            (
                "UPDATE simulator.payments SET amount = amount + 1 WHERE key = "
                f"(SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})"
            ),
        ),
        "are posted",
    ),
    Defect(
        "gateway_agrees",
        "other currency captured",
        (
            (
                "UPDATE simulator.payments SET currency = 'CHF' WHERE key = "
                f"(SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})"
            ),
        ),
        "captured CHF",
    ),
    Defect(
        "gateway_agrees",
        "refund that we do not know",
        (
            (
                "UPDATE simulator.payments SET refunded = 1 WHERE key = "
                f"(SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})"
            ),
        ),
        "refunded 1, 0 are posted",
    ),
    Defect(
        "gateway_agrees",
        "refund that was never sent",
        ("UPDATE simulator.payments SET refunded = 0 WHERE refunded > 0",),
        "refunded 0",
    ),
    Defect(
        "gateway_agrees",
        "cash of an unknown refund",
        ("UPDATE ledger_transactions SET key = key || '.x' WHERE key LIKE 'payment:refund:%'",),
        "a refund that is not known",
    ),
    Defect(
        "gateway_agrees",
        "captured, here still waiting for the customer",
        (
            f"UPDATE payment_attempts SET status = 'requires_action' WHERE id = {FIRST_ATTEMPT}",
            (
                "DELETE FROM ledger_entries e USING ledger_transactions t WHERE e.transaction_id = t.id AND t.key = "
                f"'payment:' || (SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})"
            ),
        ),
        "the attempt is requires_action",
    ),
    Defect(
        "gateway_agrees",
        "the simulator's books",
        ("UPDATE simulator.entries SET amount = amount + 1 WHERE id = (SELECT min(id) FROM simulator.entries)",),
        "its own books do not balance",
    ),
    Defect(
        "reconciliation_finds_nothing",
        "a finding that nobody has mended",
        (
            (
                "INSERT INTO findings (id, key, source, kind, subject, detail, first_seen, last_seen) VALUES ('fnd_x', "
                "'finding\\:x', 'gateway\\:simulator', 'unknown_here', 'charge\\:x', 'unknown', now(), now())"
            ),
        ),
        "unknown_here: unknown (gateway:simulator, since 2",
    ),
    Defect(
        "no_payment_hangs",
        "attempt without an answer",
        (COPY_ATTEMPT.format(more=0, status="pending") + FIRST_ATTEMPT,),
        "the attempt of invoice",
    ),
    Defect(
        "no_payment_hangs",
        "refund without an answer",
        ("UPDATE refunds SET status = 'pending', gateway_ref = NULL",),
        "the refund of invoice",
    ),
)
