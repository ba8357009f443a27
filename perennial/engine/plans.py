"""The catalogue: versions are added, never changed."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from perennial.db.models import Meter, Plan, PlanVersion
from perennial.db.repositories import catalog
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.catalog import PlanTerms
from perennial.domain.entitlements import check_entitlements
from perennial.domain.errors import InvalidInput, InvalidPrice, NotFound, PlanArchived, UnsupportedCurrency
from perennial.domain.money import exponent
from perennial.domain.pricing import pricing_model
from perennial.engine.context import Engine


async def create_version(engine: Engine, new: NewPlanVersion) -> PlanVersion:
    """The next version of the plan. Subscriptions keep the version they have."""
    check(new)
    return await engine.write(lambda session: add(engine, session, new))


def check(new: NewPlanVersion) -> None:
    """Everything that is sold has a price, in each currency of the plan.

    Raises:
        InvalidInput: one of its kinds, naming the field.
    """
    if not new.prices:
        message = "a plan needs a price"
        raise InvalidInput(message, field="prices")
    for currency, price in new.prices.items():
        exponent(currency)
        pricing_model(price)
    for field, parts, priced in (
        ("charges", new.charges, "prices"),
        ("addons", new.addons, "prices"),
        ("fees", new.fees, "amounts"),
    ):
        for n, part in enumerate(parts):
            _check_prices(f"{field}[{n}].{priced}", part.get(priced, {}), new.prices.keys())
        codes = [part["code"] for part in parts]
        if len(set(codes)) < len(codes):
            message = "two of them have one code"
            raise InvalidInput(message, field=field)
    check_entitlements(list(new.entitlements))


def _check_prices(where: str, prices: dict[str, Any], currencies: Collection[str]) -> None:
    if prices.keys() != set(currencies):
        message = f"must name exactly the currencies of the plan: {', '.join(sorted(currencies))}"
        raise InvalidInput(message, field=where)
    for currency, price in prices.items():
        model = price if isinstance(price, dict) else {"type": "flat", "amount": price}
        try:
            pricing_model(model)
        except InvalidPrice as error:
            raise InvalidPrice(error.message, field=f"{where}.{currency}") from error


def add(engine: Engine, session: Session, new: NewPlanVersion) -> PlanVersion:
    """The version, with its meters known.

    Raises:
        NotFound: a charge names a meter that there is not.
    """
    for charge in new.charges:
        if session.get(Meter, charge["meter"]) is None:
            raise NotFound("meter", charge["meter"])
    return catalog.add_version(session, new, engine.clock())


async def get(engine: Engine, code: str) -> PlanVersion:
    """The newest version."""
    return await engine.read(lambda session: require(session, code))


def require(session: Session, code: str) -> PlanVersion:
    row = catalog.latest(session, code)
    if row is None:
        raise NotFound("plan", code)
    return row


def require_terms(session: Session, code: str, currency: str, *, sellable: bool = True) -> PlanTerms:
    """What the newest version means in `currency`.

    Raises:
        NotFound, UnknownCurrency, UnsupportedCurrency.
        PlanArchived: if it is `sellable` that is asked for.
    """
    exponent(currency)
    row = require(session, code)
    if sellable and session.get_one(Plan, code).archived_at:
        raise PlanArchived(code)
    terms = catalog.terms(row, currency)
    if terms is None:
        raise UnsupportedCurrency(code, currency)
    return terms


async def terms(engine: Engine, code: str, currency: str) -> PlanTerms:
    return await engine.read(lambda session: require_terms(session, code, currency))


async def archive(engine: Engine, code: str) -> None:
    """No new subscribers; those it has stay."""

    def mark(session: Session) -> None:
        require(session, code)
        plan = session.get_one(Plan, code, with_for_update=True)
        plan.archived_at = plan.archived_at or engine.clock()

    await engine.write(mark)
