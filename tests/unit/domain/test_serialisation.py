"""Everything that travels in workflow state survives JSON, as the workflow's data converter writes and reads it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from perennial.domain.calendar import Interval, IntervalUnit, Period
from perennial.domain.catalog import PlanTerms
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy, FinalAction, HardDecline
from perennial.domain.money import Money
from perennial.domain.networks import Attempt, Initiator, PastAttempt
from perennial.domain.pricing import PricingModel, pricing_model
from perennial.domain.proration import PlanChange, ProrationBasis

TIER = {"up_to": "5.5", "unit_price": "0.000000000001", "flat_fee": "0"}
LAST = {"up_to": None, "unit_price": "6.50"}
MODELS: list[dict[str, Any]] = [
    {"type": "flat", "amount": "9.99"},
    {"type": "per_unit", "unit_price": "0.335", "minimum_amount": "100"},
    {"type": "graduated", "tiers": [TIER, LAST]},
    {"type": "volume", "tiers": [TIER, LAST]},
    {"type": "package", "package_size": 100, "package_price": "5"},
    {"type": "package_graduated", "package_size": 10, "tiers": [{"up_to": None, "package_price": "1"}]},
    {"type": "package_volume", "package_size": 10, "tiers": [{"up_to": None, "package_price": "1"}]},
    {"type": "percentage", "rate_percent": "2.9", "free_events": 3},
    {"type": "graduated_percentage", "tiers": [{"up_to": None, "rate_percent": "2"}]},
    {"type": "commitment", "unit_price": "2", "commitment_amount": "1000", "true_up": True},
]


@pytest.mark.parametrize("data", MODELS, ids=lambda data: data["type"])
def test_a_model_comes_back_as_itself(data: dict[str, Any]) -> None:
    """Graduated and volume have the same fields: only `type` tells them apart."""
    model = pricing_model(data)
    back = _round_trip(PricingModel, model)
    assert back == model
    assert type(back) is type(model)


@pytest.mark.parametrize("data", MODELS, ids=lambda data: data["type"])
def test_terms_come_back_as_themselves(data: dict[str, Any]) -> None:
    terms = PlanTerms(
        code="team",
        version=3,
        name="Team",
        interval=Interval(IntervalUnit.MONTH, 3),
        currency="USD",
        price=pricing_model(data),
        proration=ProrationBasis.STRICT_30_360,
        reminder_days=7,
        dunning=DunningPolicy((1, 2), None, FinalAction.PAUSE, HardDecline.FINAL_ACTION),
    )
    back = _round_trip(PlanTerms, terms)
    assert back == terms
    assert type(back.price) is type(terms.price)
    assert isinstance(back.dunning.retry_offsets_days, tuple)


@pytest.mark.parametrize(
    "value",
    [
        Money(-1234, "KWD"),
        Interval(IntervalUnit.WEEK, 2),
        Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)),
        PlanChange(3333, 6667),
        DEFAULT_POLICY,
        PastAttempt(datetime(2025, 1, 1, tzinfo=UTC), Attempt("card_a", 2500, "USD", Initiator.CUSTOMER)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_as_themselves(value: object) -> None:
    back = _round_trip(type(value), value)
    assert back == value
    assert type(back) is type(value)


def test_decimals_keep_their_digits() -> None:
    model = pricing_model({"type": "flat", "amount": "123456789012345678.123456789012"})
    assert str(_round_trip(PricingModel, model).amount) == "123456789012345678.123456789012"
    assert isinstance(_round_trip(PricingModel, model).amount, Decimal)


def _round_trip(kind: Any, value: object) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return adapter.validate_json(adapter.dump_json(value))
