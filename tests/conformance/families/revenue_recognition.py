"""revenue_recognition.json: what each month earns of an amount that was billed in advance."""

from typing import Any

from perennial.domain.money import exponent
from perennial.domain.recognition import RecognitionBasis, schedule
from tests.conformance.schema import Kind, instant


def recognition(case: dict[str, Any]) -> dict[str, Any]:
    exponent(case["currency"])
    months = schedule(
        case["amount"],
        instant(case["service_start"]),
        instant(case["service_end"]),
        RecognitionBasis(case["basis"]),
        case["timezone"],
    )
    return {"months": [{"month": str(row.month), "amount": row.amount, "deferred": row.deferred} for row in months]}


KINDS = {
    None: Kind(
        fields={
            "currency": str,
            "timezone": str,
            "basis": str,
            "service_start": str,
            "service_end": str,
            "amount": int,
            "expect": {"months": [{"month": str, "amount": int, "deferred": int}]},
        },
        run=recognition,
    ),
}
