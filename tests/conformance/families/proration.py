"""proration.json: changes within a period, and periods that are only part of one."""

from typing import Any

from perennial.domain.calendar import Period
from perennial.domain.money import exponent
from perennial.domain.proration import ProrationBasis, partial_period, plan_change
from tests.conformance.schema import Kind, Malformed, instant


def change(case: dict[str, Any]) -> dict[str, int]:
    exponent(case["currency"])
    found = plan_change(
        case["old_amount"],
        case["new_amount"],
        instant(case["change_at"]),
        ProrationBasis(case["basis"]),
        period=Period(instant(case["period_start"]), instant(case["period_end"])),
        timezone=case["timezone"],
        full=_full(case),
        reset_cycle=case.get("reset_cycle", False),
    )
    return {"credit": found.credit, "debit": found.debit, "net": found.net}


def partial(case: dict[str, Any]) -> dict[str, int]:
    exponent(case["currency"])
    service = Period(instant(case["service_start"]), instant(case["service_end"]))
    full = _full(case)
    assert full
    basis = ProrationBasis(case["basis"])
    amount = partial_period(case["amount"], basis, full=full, service=service, timezone=case["timezone"])
    return {"amount": amount}


def _full(case: dict[str, Any]) -> Period | None:
    if ("full_period_start" in case) != ("full_period_end" in case):
        raise Malformed("one end of the full period is missing")
    if "full_period_start" not in case:
        return None
    return Period(instant(case["full_period_start"]), instant(case["full_period_end"]))


KINDS = {
    "plan_change": Kind(
        fields={
            "currency": str,
            "basis": str,
            "timezone": str,
            "period_start": str,
            "period_end": str,
            "change_at": str,
            "old_amount": int,
            "new_amount": int,
            "full_period_start?": str,
            "full_period_end?": str,
            "reset_cycle?": bool,
            "expect": {"credit": int, "debit": int, "net": int},
        },
        run=change,
    ),
    "partial_period": Kind(
        fields={
            "currency": str,
            "basis": str,
            "timezone": str,
            "full_period_start": str,
            "full_period_end": str,
            "service_start": str,
            "service_end": str,
            "amount": int,
            "expect": {"amount": int},
        },
        run=partial,
    ),
}
