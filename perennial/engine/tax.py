"""The merchant's own tax rates, and what a sale would bear today."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from perennial.db.models import OwnTaxRate
from perennial.db.repositories.tax import sale_for
from perennial.domain.errors import Conflict, InvalidInput, NotFound
from perennial.domain.places import check_country, check_region
from perennial.domain.tax import Sale
from perennial.domain.taxation import Judgement
from perennial.engine import customers
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.tax.table import TableTaxCalculator

_WHOLE = 100
# Of two rates that are added at once, the second sees the first. The number is nobody else's.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7301846204)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRate:
    """As `perennial.domain.tax.DatedRate`: from `valid_from` (included) to `valid_to` (excluded, None: open)."""

    country: str
    name: str
    percent: Decimal
    valid_from: date
    region: str | None = None
    valid_to: date | None = None
    combined: bool = False
    id: str | None = None


async def add_rate(engine: Engine, new: NewRate) -> OwnTaxRate:
    """The same `id` again gives the rate that exists.

    Raises:
        InvalidInput: a place, percentage or day that cannot be right.
        Conflict: another rate of this place and name holds on some of these days.
    """
    _check(new)
    rate_id = new.id or new_id("txr")

    def insert(session: Session) -> OwnTaxRate:
        session.execute(_ONE_AT_A_TIME)
        if found := session.get(OwnTaxRate, rate_id):
            return found
        rate = OwnTaxRate(
            id=rate_id,
            country=new.country,
            region=new.region,
            name=new.name,
            percent=new.percent,
            combined=new.combined,
            valid_from=new.valid_from,
            valid_to=new.valid_to,
            created_at=engine.clock(),
        )
        _refuse_overlap(session, rate)
        session.add(rate)
        return rate

    return await engine.write(insert)


async def close_rate(engine: Engine, rate_id: str, valid_to: date | None) -> OwnTaxRate:
    """The rate ends on that day (or, None, no longer ends). Invoices that were issued keep it.

    Raises:
        NotFound, InvalidInput, Conflict: as `add_rate`.
    """

    def write(session: Session) -> OwnTaxRate:
        session.execute(_ONE_AT_A_TIME)
        rate = session.get(OwnTaxRate, rate_id)
        if rate is None:
            raise NotFound("tax rate", rate_id)
        _check_days(rate.valid_from, valid_to)
        rate.valid_to = valid_to
        _refuse_overlap(session, rate)
        return rate

    return await engine.write(write)


async def get_rate(engine: Engine, rate_id: str) -> OwnTaxRate:
    rate = await engine.read(lambda session: session.get(OwnTaxRate, rate_id))
    if rate is None:
        raise NotFound("tax rate", rate_id)
    return rate


async def rates_on(engine: Engine, day: date) -> list[OwnTaxRate]:
    """The merchant's own rates that hold on that day, by place."""
    holds = (OwnTaxRate.valid_from <= day, or_(OwnTaxRate.valid_to > day, OwnTaxRate.valid_to.is_(None)))
    statement = select(OwnTaxRate).where(*holds).order_by(OwnTaxRate.country, OwnTaxRate.region, OwnTaxRate.name)
    return await engine.read(lambda session: list(session.scalars(statement)))


async def what(engine: Engine, customer_id: str, currency: str = "EUR") -> tuple[Sale, Judgement]:
    """Which taxes a sale to this customer would bear now, and by which rule."""

    def load(session: Session) -> Sale:
        customers.require(session, customer_id)
        return sale_for(session, customer_id, currency, engine.clock())[0]

    sale = await engine.read(load)
    if isinstance(engine.taxes, TableTaxCalculator):
        return sale, engine.taxes.explain(sale)
    return sale, Judgement(engine.taxes.rates(sale), f"so says the calculator {engine.settings.tax_calculator!r}")


def _check(new: NewRate) -> None:
    check_country(new.country)
    if new.region is not None:
        check_region(new.country, new.region)
    if new.combined and new.region is None:
        raise InvalidInput("only the rate of a region can hold that of its country", field="combined")
    if not 0 <= new.percent <= _WHOLE:
        raise InvalidInput("must be from 0 to 100", field="percent")
    _check_days(new.valid_from, new.valid_to)


def _check_days(valid_from: date, valid_to: date | None) -> None:
    if valid_to is not None and valid_to <= valid_from:
        raise InvalidInput("must be after valid_from", field="valid_to")


def _refuse_overlap(session: Session, rate: OwnTaxRate) -> None:
    days = func.daterange(OwnTaxRate.valid_from, OwnTaxRate.valid_to).op("&&")
    other = session.scalar(
        select(OwnTaxRate.id).where(
            OwnTaxRate.id != rate.id,
            OwnTaxRate.country == rate.country,
            OwnTaxRate.region.is_not_distinct_from(rate.region),
            OwnTaxRate.name == rate.name,
            days(func.daterange(rate.valid_from, rate.valid_to)),
        )
    )
    if other:
        raise Conflict(other, f"{other} is the rate of this place and name on some of these days: end it first")
