"""pricing.json: what a quantity costs. The fields of a model are checked by `pricing_model` itself."""

from decimal import Decimal
from typing import Any

from perennial.domain.pricing import price, pricing_model
from tests.conformance.schema import Kind


def amount(case: dict[str, Any]) -> dict[str, int]:
    model = pricing_model(case["model"])
    events = [Decimal(event) for event in case.get("events", ())]
    return {"amount": price(model, Decimal(case["quantity"]), case["currency"], events)}


KINDS = {
    None: Kind(
        fields={"currency": str, "model": dict, "quantity": str, "events?": [str], "expect": {"amount": int}},
        run=amount,
    )
}
