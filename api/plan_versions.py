"""From the body of a plan to the engine's words for it."""

from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from api.errors import invalid
from api.schemas.common import MOST_MINOR_UNITS
from api.schemas.plans import NewPlan
from perennial.db.repositories import catalog
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval
from perennial.domain.dunning import DunningPolicy
from perennial.domain.errors import InvalidInput
from perennial.domain.pricing import price, pricing_model
from perennial.engine import plans
from perennial.engine.context import Engine

_POLICY = TypeAdapter(DunningPolicy)


async def new_version(engine: Engine, body: NewPlan) -> None:
    """Raises Problem: 422, naming the price that is wrong."""
    for currency, model in body.prices.items():
        _check_price(currency, model)
    new = NewPlanVersion(
        code=body.code,
        name=body.name,
        interval=Interval(body.interval.unit, body.interval.count),
        prices=body.prices,
        trial_days=body.trial_days,
        trial_needs_card=body.trial_needs_card,
        reminder_days=body.reminder_days,
        proration=body.proration,
        dunning=DunningPolicy(
            tuple(body.dunning.retry_offsets_days),
            body.dunning.grace_days,
            body.dunning.final_action,
            body.dunning.on_hard_decline,
        ),
        allow_multiple=body.allow_multiple,
    )
    if not await engine.read(lambda session: _is_newest(session, new)):
        await plans.create_version(engine, new)


def _check_price(currency: str, data: dict[str, Any]) -> None:
    try:
        amount = price(pricing_model(data), Decimal(1), currency)
    except InvalidInput as error:
        raise invalid(f"prices.{currency}.{error.field or 'type'}", error.message, error.code) from error
    if amount > MOST_MINOR_UNITS:
        raise invalid(f"prices.{currency}", "is more than any gateway takes for one charge")


def _is_newest(session: Session, new: NewPlanVersion) -> bool:
    """Whether the catalogue says just this already: a request that comes again makes no second version."""
    row = catalog.latest(session, new.code)
    if row is None:
        return False
    wanted = {
        "name": new.name,
        "interval_unit": new.interval.unit.value,
        "interval_count": new.interval.count,
        "prices": new.prices,
        "trial_days": new.trial_days,
        "trial_needs_card": new.trial_needs_card,
        "reminder_days": new.reminder_days,
        "proration": new.proration.value,
        "dunning": _POLICY.dump_python(new.dunning, mode="json"),
        "allow_multiple": new.allow_multiple,
    }
    return all(getattr(row, name) == value for name, value in wanted.items())
