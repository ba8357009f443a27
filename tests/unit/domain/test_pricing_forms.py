from decimal import Decimal
from typing import Any

import pytest

from perennial.domain.errors import InvalidPrice
from perennial.domain.pricing import Graduated, Tier, pricing_data, pricing_model

TIERS = [{"up_to": 5, "unit_price": "7", "flat_fee": "0"}, {"up_to": None, "unit_price": "6.5"}]
PACKAGES = [{"up_to": 100, "package_price": "1"}, {"up_to": None, "package_price": "0.5"}]
PERCENTS = [{"up_to": 1000, "rate_percent": "1", "flat_fee": "200"}, {"up_to": None, "rate_percent": "2"}]

EVERY_MODEL: list[dict[str, Any]] = [
    {"type": "flat", "amount": "9.99"},
    {"type": "per_unit", "unit_price": "0.335", "free_units": 3, "minimum_amount": "100"},
    {"type": "graduated", "tiers": TIERS},
    {"type": "volume", "tiers": TIERS},
    {"type": "package", "package_size": 100, "package_price": "5", "free_units": 100},
    {"type": "package_graduated", "package_size": 10, "tiers": PACKAGES},
    {"type": "package_volume", "package_size": 10, "tiers": PACKAGES},
    {"type": "percentage", "rate_percent": "2.9", "fixed_fee": "0.30", "free_events": 3, "free_amount": "60"},
    {"type": "graduated_percentage", "tiers": PERCENTS},
    {"type": "commitment", "unit_price": "2", "commitment_amount": "1000", "overage_factor": "1.5", "true_up": True},
]


@pytest.mark.parametrize("data", EVERY_MODEL, ids=lambda data: data["type"])
def test_every_model_reads_and_writes(data: dict[str, Any]) -> None:
    model = pricing_model(data)
    assert model.type == data["type"]
    written = pricing_data(model)
    assert pricing_model(written) == model
    assert next(iter(written)) == "type"


@pytest.mark.parametrize("data", EVERY_MODEL, ids=lambda data: data["type"])
def test_every_model_may_have_a_minimum(data: dict[str, Any]) -> None:
    assert pricing_model({**data, "minimum_amount": "7.5"}).minimum_amount == Decimal("7.5")
    assert pricing_model({**data, "minimum_amount": None}).minimum_amount is None


def test_tiers_are_read_exactly() -> None:
    model = pricing_model({"type": "graduated", "tiers": TIERS})
    assert model == Graduated((Tier(Decimal(5), Decimal(7)), Tier(None, Decimal("6.5"))))


def _tier(up_to: int | None) -> dict[str, Any]:
    return {"up_to": up_to, "unit_price": "1"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "type"),
        ({"type": "free"}, "type"),
        ({"type": ["flat"]}, "type"),
        ({"type": "flat"}, "amount"),
        ({"type": "flat", "amount": None}, "amount"),
        ({"type": "flat", "amount": 9.99}, "amount"),
        ({"type": "flat", "amount": True}, "amount"),
        ({"type": "flat", "amount": "-1"}, "amount"),
        ({"type": "flat", "amount": Decimal(-1)}, "amount"),
        ({"type": "flat", "amount": "1e9"}, "amount"),
        ({"type": "flat", "amount": "NaN"}, "amount"),
        ({"type": "flat", "amount": Decimal("Infinity")}, "amount"),
        ({"type": "flat", "amount": "1" * 19}, "amount"),
        ({"type": "flat", "amount": "0.0000000000001"}, "amount"),
        ({"type": "flat", "amount": " 1"}, "amount"),
        ({"type": "flat", "amount": "\u0661"}, "amount"),
        ({"type": "flat", "amount": "1", "unit_price": "1"}, "unit_price"),
        ({"type": "flat", "amount": "1", "minimum_amount": "-1"}, "minimum_amount"),
        ({"type": "per_unit", "unit_price": "1", "free_units": None}, "free_units"),
        ({"type": "package", "package_size": 0, "package_price": "1"}, "package_size"),
        ({"type": "percentage", "rate_percent": "1", "free_events": "3"}, "free_events"),
        ({"type": "percentage", "rate_percent": "1", "free_events": -3}, "free_events"),
        ({"type": "commitment", "unit_price": "1", "commitment_amount": "1", "true_up": "yes"}, "true_up"),
        ({"type": "graduated"}, "tiers"),
        ({"type": "graduated", "tiers": []}, "tiers"),
        ({"type": "graduated", "tiers": "5"}, "tiers"),
        ({"type": "graduated", "tiers": ["5"]}, "tiers[0]"),
        ({"type": "graduated", "tiers": [{"unit_price": "1"}]}, "tiers[0].up_to"),
        ({"type": "graduated", "tiers": [{"up_to": 0, "unit_price": "1"}]}, "tiers[0].up_to"),
        ({"type": "graduated", "tiers": [{"up_to": None, "price": "1"}]}, "tiers[0].price"),
        ({"type": "graduated", "tiers": [_tier(5), _tier(5)]}, "tiers[1].up_to"),
        ({"type": "graduated", "tiers": [_tier(5), _tier(4)]}, "tiers[1].up_to"),
        ({"type": "graduated", "tiers": [_tier(None), _tier(5)]}, "tiers[0].up_to"),
        ({"type": "graduated", "tiers": [{"up_to": None}]}, "tiers[0]"),
        ({"type": "package_volume", "package_size": 1, "tiers": [_tier(None)]}, "tiers[0].unit_price"),
        ({"type": "package_volume", "package_size": 1, "tiers": TIERS}, "tiers[0].unit_price"),
        ({"type": "graduated_percentage", "tiers": [{"up_to": None, "rate_percent": "x"}]}, "tiers[0].rate_percent"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPrice) as caught:
        pricing_model(data)
    assert caught.value.field == field
    assert field in str(caught.value) or field == "type"
