"""The catalogue that `perennial dev` and the demo start with."""

from typing import Any

from sqlalchemy.orm import Session

from perennial.db.repositories import catalog
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.usage import Aggregation, Meter
from perennial.engine import meters, plans
from perennial.engine.context import Engine


def _flat(**amounts: str) -> dict[str, dict[str, Any]]:
    return {currency: {"type": "flat", "amount": amount} for currency, amount in amounts.items()}


def _seats(**prices: str) -> dict[str, dict[str, Any]]:
    return {currency: {"type": "per_unit", "unit_price": price} for currency, price in prices.items()}


def _projects(limit: int | None) -> dict[str, Any]:
    """None: as many as they like. Nobody here counts them, so the limit is told and not measured."""
    return {"feature": "projects", "kind": "limit", "limit": limit}


def _switch(feature: str) -> dict[str, Any]:
    return {"feature": feature, "kind": "switch"}


def _support(words: str) -> dict[str, Any]:
    return {"feature": "support", "kind": "text", "value": words}


def _calls(**prices: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """Ten thousand are free; up to a hundred thousand the first price, beyond it the second."""
    return {
        currency: {
            "type": "graduated",
            "tiers": [
                {"up_to": 10_000, "unit_price": "0"},
                {"up_to": 100_000, "unit_price": first},
                {"up_to": None, "unit_price": second},
            ],
        }
        for currency, (first, second) in prices.items()
    }


def _storage(**prices: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """A price for each gigabyte, and the least that is charged."""
    return {
        currency: {"type": "per_unit", "unit_price": price, "minimum_amount": least}
        for currency, (price, least) in prices.items()
    }


_MONTH, _YEAR, _WEEK = Interval(IntervalUnit.MONTH), Interval(IntervalUnit.YEAR), Interval(IntervalUnit.WEEK)

DEMO_PLANS: tuple[NewPlanVersion, ...] = (
    NewPlanVersion(
        code="free-monthly",
        name="Free",
        interval=_MONTH,
        prices=_flat(USD="0", EUR="0", GBP="0", JPY="0", KWD="0"),
        entitlements=(_projects(1),),
    ),
    NewPlanVersion(
        code="basic-monthly",
        name="Basic",
        interval=_MONTH,
        prices=_flat(USD="9.00", EUR="9.00", GBP="8.00", JPY="1200", KWD="2.750"),
        entitlements=(_projects(3), _support("by mail")),
    ),
    NewPlanVersion(
        code="standard-monthly",
        name="Standard",
        interval=_MONTH,
        prices=_flat(USD="19.00", EUR="19.00", GBP="17.00", JPY="2600", KWD="5.900"),
        entitlements=(_projects(10), _switch("export"), _support("by mail, within a day")),
    ),
    NewPlanVersion(
        code="premium-monthly",
        name="Premium",
        interval=_MONTH,
        prices=_flat(USD="49.00", EUR="49.00", GBP="43.00", JPY="6800", KWD="15.250"),
        trial_days=14,
        entitlements=(_projects(None), _switch("export"), _switch("single-sign-on"), _support("by telephone")),
    ),
    NewPlanVersion(
        code="team-monthly",
        name="Team (per seat)",
        interval=_MONTH,
        prices=_seats(USD="12.50", EUR="11.90", GBP="10.40", JPY="1650", KWD="3.850"),
        addons=(
            {
                "code": "priority-support",
                "name": "Priority support",
                "prices": _flat(USD="20.00", EUR="19.00", GBP="17.00", JPY="2600", KWD="6.000"),
            },
            {
                "code": "storage",
                "name": "Storage, 100 GB",
                "prices": _seats(USD="5.00", EUR="4.70", GBP="4.20", JPY="660", KWD="1.500"),
            },
        ),
        allow_multiple=True,
        entitlements=(_projects(50), _switch("export"), _switch("single-sign-on")),
    ),
    NewPlanVersion(
        code="standard-yearly",
        name="Standard, yearly",
        interval=_YEAR,
        prices=_flat(USD="190.00", EUR="190.00", GBP="170.00", JPY="26000", KWD="59.000"),
        reminder_days=7,
    ),
    NewPlanVersion(
        code="box-weekly",
        name="Weekly box",
        interval=_WEEK,
        prices=_flat(USD="14.00", EUR="13.50", GBP="12.00", JPY="1900", KWD="4.300"),
    ),
    NewPlanVersion(
        code="trial-monthly",
        name="Standard with a free trial",
        interval=_MONTH,
        prices=_flat(USD="19.00", EUR="19.00", GBP="17.00", JPY="2600", KWD="5.900"),
        trial_days=14,
        trial_needs_card=False,
    ),
    NewPlanVersion(
        code="premium-yearly",
        name="Premium, yearly, with onboarding",
        interval=_YEAR,
        prices=_flat(USD="490.00", EUR="490.00", GBP="430.00", JPY="68000", KWD="152.500"),
        reminder_days=14,
        fees=(
            {
                "code": "onboarding",
                "name": "Onboarding",
                "amounts": {"USD": "99.00", "EUR": "99.00", "GBP": "89.00", "JPY": "13500", "KWD": "30.500"},
            },
        ),
    ),
    NewPlanVersion(
        code="standard-eu-monthly",
        name="Standard, taxes included",
        interval=_MONTH,
        prices=_flat(EUR="22.90"),
        tax_inclusive=True,
    ),
    NewPlanVersion(
        code="api-monthly",
        name="API",
        interval=_MONTH,
        prices=_flat(USD="29.00", EUR="29.00", GBP="25.00", JPY="3900", KWD="9.000"),
        charges=(
            {
                "code": "api-calls",
                "name": "API calls",
                "meter": "api_calls",
                "prices": _calls(
                    USD=("0.0015", "0.001"),
                    EUR=("0.0015", "0.001"),
                    GBP=("0.0013", "0.0009"),
                    JPY=("0.2", "0.15"),
                    KWD=("0.0005", "0.0003"),
                ),
            },
            {
                "code": "storage",
                "name": "Storage, highest level in GB",
                "meter": "storage_gb",
                "prices": _storage(
                    USD=("0.20", "5.00"),
                    EUR=("0.20", "5.00"),
                    GBP=("0.18", "4.50"),
                    JPY=("30", "750"),
                    KWD=("0.060", "1.500"),
                ),
            },
        ),
        entitlements=(
            {
                "feature": "api-calls",
                "kind": "limit",
                "limit": 100_000,
                "meter": "api_calls",
                "hard": False,
                "alerts": [80, 100],
            },
            {"feature": "storage-gb", "kind": "limit", "limit": 100, "meter": "storage_gb", "alerts": [80, 100]},
        ),
    ),
)

DEMO_METERS = (
    Meter("api_calls", "API calls", event="api_call", aggregation=Aggregation.SUM, property="value"),
    Meter("storage_gb", "Storage in GB", event="storage", aggregation=Aggregation.MAX, property="gb"),
)


async def seed(engine: Engine) -> list[str]:
    """Add the demo plans that are missing, with their meters; returns the codes of the plans added."""

    def add(session: Session) -> list[str]:
        missing = [plan for plan in DEMO_PLANS if catalog.latest(session, plan.code) is None]
        for plan in missing:
            plans.add(engine, session, plan)
        return [plan.code for plan in missing]

    for meter in DEMO_METERS:
        await meters.create(engine, meter)
    return await engine.write(add)
