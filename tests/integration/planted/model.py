"""What a planted defect is, and the rows that are spoiled most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """What a planted defect is, and the rows that are spoiled most."""

    check: str
    name: str
    statements: tuple[str, ...]
    problem: str


PAID = "(SELECT id FROM invoices WHERE status = 'paid' AND amount_due > 0 ORDER BY number LIMIT 1)"
FIRST_ATTEMPT = (
    "(SELECT a.id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id "
    "WHERE i.subscription_id = :month_end AND i.period_no = 0)"
)
COPY_ATTEMPT = """
INSERT INTO payment_attempts (id, key, invoice_id, n, customer_id, trigger, gateway, payment_method_id, amount,
                              currency, status, started_at)
SELECT 'pay_planted', replace(key, '\\:1', '\\:77'), invoice_id, 77, customer_id, trigger, gateway, payment_method_id,
       amount + {more}, currency, '{status}', started_at
FROM payment_attempts WHERE id = """
COPY_INVOICE = """
INSERT INTO invoices SELECT (jsonb_populate_record(i, jsonb_build_object('id', 'inv_planted', 'key', {key},
    'number', 'INV-000000', 'period_no', {period}))).* FROM invoices i WHERE id = (
    SELECT id FROM invoices WHERE subscription_id = :month_end AND reason = 'renewal' ORDER BY number LIMIT 1)
"""
THIRD = "(SELECT starts_at FROM service_spans WHERE subscription_id = :month_end ORDER BY 1 OFFSET 2 LIMIT 1)"
SPAN = f"WHERE subscription_id = :month_end AND starts_at = {THIRD}"
LAST = (
    "WHERE subscription_id = :month_end "
    "AND starts_at = (SELECT max(starts_at) FROM service_spans WHERE subscription_id = :month_end)"
)
