"""The catalogue: versions are added, never changed."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Coupon, Plan, PlanVersion
from perennial.db.repositories import catalog
from perennial.domain.calendar import Interval
from perennial.domain.catalog import PlanTerms
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy
from perennial.domain.errors import Conflict, InvalidInput, NotFound, PlanArchived, UnsupportedCurrency
from perennial.domain.money import exponent
from perennial.domain.pricing import pricing_model
from perennial.domain.proration import ProrationBasis
from perennial.engine.context import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlanVersion:
    """`prices` maps ISO currencies to pricing models with amounts in major units, as decimal strings."""

    code: str
    name: str
    interval: Interval
    prices: dict[str, dict[str, Any]]
    trial_days: int = 0
    trial_needs_card: bool = True
    reminder_days: int | None = None
    proration: ProrationBasis = ProrationBasis.SECOND
    dunning: DunningPolicy = field(default_factory=lambda: DEFAULT_POLICY)
    allow_multiple: bool = False


async def create_version(engine: Engine, new: NewPlanVersion) -> PlanVersion:
    """The next version of the plan. Subscriptions keep the version they have."""
    check(new)
    return await engine.write(lambda session: add(engine, session, new))


def check(new: NewPlanVersion) -> None:
    if not new.prices:
        message = "a plan needs a price"
        raise InvalidInput(message, field="prices")
    for currency, price in new.prices.items():
        exponent(currency)
        pricing_model(price)


def add(engine: Engine, session: Session, new: NewPlanVersion) -> PlanVersion:
    return catalog.add_version(
        session,
        code=new.code,
        name=new.name,
        interval=new.interval,
        prices=new.prices,
        trial_days=new.trial_days,
        trial_needs_card=new.trial_needs_card,
        reminder_days=new.reminder_days,
        proration=new.proration,
        dunning=new.dunning,
        allow_multiple=new.allow_multiple,
        now=engine.clock(),
    )


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


async def create_coupon(
    engine: Engine,
    *,
    code: str,
    percent_off: Decimal | None = None,
    amount_off: int | None = None,
    currency: str | None = None,
    duration_periods: int | None = None,
) -> Coupon:
    """Either `percent_off` (0 to 100] or `amount_off` (minor units) with its `currency`."""
    _check_coupon(percent_off, amount_off, currency, duration_periods)

    def insert(session: Session) -> Coupon:
        coupon = upsert(Coupon).values(
            code=code,
            percent_off=percent_off,
            amount_off=amount_off,
            currency=currency,
            duration_periods=duration_periods,
            created_at=engine.clock(),
        )
        made: Coupon | None = session.scalar(coupon.on_conflict_do_nothing().returning(Coupon))
        if made is None:
            raise Conflict(code, f"coupon {code!r} exists")
        return made

    return await engine.write(insert)


def _check_coupon(percent: Decimal | None, amount: int | None, currency: str | None, periods: int | None) -> None:
    if (percent is None) == (amount is None):
        message = "a coupon takes a percentage or an amount off, and not both"
        raise InvalidInput(message, field="percent_off")
    if percent is not None and not 0 < percent <= 100:  # noqa: PLR2004 - per cent
        message = "must be above 0 and at most 100"
        raise InvalidInput(message, field="percent_off")
    if amount is not None:
        if amount <= 0:
            message = "must be above 0"
            raise InvalidInput(message, field="amount_off")
        exponent(currency or "")
    if periods is not None and periods < 1:
        message = "must be at least 1"
        raise InvalidInput(message, field="duration_periods")
