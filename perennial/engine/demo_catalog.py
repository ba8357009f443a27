"""The catalogue that `perennial dev` and the demo start with."""

from typing import Any

from sqlalchemy.orm import Session

from perennial.db.repositories import catalog
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.engine import plans
from perennial.engine.context import Engine


def _flat(**amounts: str) -> dict[str, dict[str, Any]]:
    return {currency: {"type": "flat", "amount": amount} for currency, amount in amounts.items()}


def _seats(**prices: str) -> dict[str, dict[str, Any]]:
    return {currency: {"type": "per_unit", "unit_price": price} for currency, price in prices.items()}


_MONTH, _YEAR, _WEEK = Interval(IntervalUnit.MONTH), Interval(IntervalUnit.YEAR), Interval(IntervalUnit.WEEK)

DEMO_PLANS: tuple[NewPlanVersion, ...] = (
    NewPlanVersion(
        code="free-monthly",
        name="Free",
        interval=_MONTH,
        prices=_flat(USD="0", EUR="0", GBP="0", JPY="0", KWD="0"),
    ),
    NewPlanVersion(
        code="basic-monthly",
        name="Basic",
        interval=_MONTH,
        prices=_flat(USD="9.00", EUR="9.00", GBP="8.00", JPY="1200", KWD="2.750"),
    ),
    NewPlanVersion(
        code="standard-monthly",
        name="Standard",
        interval=_MONTH,
        prices=_flat(USD="19.00", EUR="19.00", GBP="17.00", JPY="2600", KWD="5.900"),
    ),
    NewPlanVersion(
        code="premium-monthly",
        name="Premium",
        interval=_MONTH,
        prices=_flat(USD="49.00", EUR="49.00", GBP="43.00", JPY="6800", KWD="15.250"),
        trial_days=14,
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
)


async def seed(engine: Engine) -> list[str]:
    """Add the demo plans that are missing; returns the codes of those added."""

    def add(session: Session) -> list[str]:
        missing = [plan for plan in DEMO_PLANS if catalog.latest(session, plan.code) is None]
        for plan in missing:
            plans.add(engine, session, plan)
        return [plan.code for plan in missing]

    return await engine.write(add)
