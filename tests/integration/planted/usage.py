"""Spoiled usage: billed past the invoices, or twice."""

from tests.integration.planted.model import Defect

_BILLED = (
    "INSERT INTO usage_billed (subscription_id, charge_code, starts_at, ends_at, name, meter, price, quantity, amount, "
    "tax_inclusive, invoice_id) VALUES (:month_end, 'calls', '2026-01-{begin:02}', '2026-01-{end:02}', 'Calls', "
    "'api_calls', '{{}}', 1, {amount}, false, 'inv_planted')"
)
_WINDOW = "INSERT INTO usage_windows (subscription_id, billed_until) VALUES (:month_end, '2026-01-31')"

USAGE = (
    Defect(
        "usage_is_billed_once",
        "usage on no invoice",
        (_BILLED.format(begin=1, end=10, amount=500), _WINDOW),
        "usage for 500 was billed, and 0 stands on its invoices",
    ),
    Defect(
        "usage_is_billed_once",
        "the same days twice",
        (_BILLED.format(begin=1, end=10, amount=0), _BILLED.format(begin=9, end=20, amount=0), _WINDOW),
        "charge calls is billed twice from 2026-01-09",
    ),
    Defect(
        "usage_is_billed_once",
        "late events that are not told to be",
        (_BILLED.format(begin=1, end=10, amount=0),),
        "events are taken for late only to never",
    ),
)
