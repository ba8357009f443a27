"""What the demo makes of its findings: nothing that is wrong may pass."""

from dataclasses import replace

import pytest

from perennial.checks import CheckResult, Finding
from perennial.demo.verdict import Verdict, detail

FINE = Verdict(
    customers=20,
    subscriptions=21,
    months=12,
    renewals_due=240,
    invoices_issued=261,
    invoices_paid=259,
    declined_attempts=3,
    duplicate_charges=0,
    missed_renewals=0,
    ledger_balanced=True,
    gateway_agrees=True,
    checks=(CheckResult("books_balance", ok=True, detail="526 transactions: fine"),),
)
KEYS = [
    "customers",
    "subscriptions",
    "months",
    "renewals_due",
    "invoices_issued",
    "invoices_paid",
    "declined_attempts",
    "duplicate_charges",
    "missed_renewals",
    "ledger_balanced",
    "gateway_agrees",
    "wall_seconds",
    "checks",
]


def test_the_figures_have_exactly_the_promised_names() -> None:
    figures = FINE.as_dict(41.26)
    assert sorted(figures) == sorted(KEYS)
    assert figures["wall_seconds"] == 41.3
    assert figures["checks"] == [{"name": "books_balance", "ok": True, "detail": "526 transactions: fine"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicate_charges": 1},
        {"missed_renewals": 1},
        {"ledger_balanced": False},
        {"gateway_agrees": False},
        {"checks": (*FINE.checks, CheckResult("spans_tile", ok=False, detail="1 wrong"))},
    ],
)
def test_one_thing_that_is_wrong_is_enough(wrong: dict[str, object]) -> None:
    assert FINE.ok
    assert not replace(FINE, **wrong).ok  # type: ignore[arg-type]


def test_a_failing_check_names_the_first_thing_that_is_wrong() -> None:
    check = CheckResult("spans_tile", ok=False, detail="2 wrong", findings=(Finding("sub_1", "a gap"),))
    assert detail(check) == "2 wrong; sub_1: a gap"
