"""Books of their own for lives on paper (`tests.support.paper`): plans, a seller, customers, usage."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.models import Customer, PaymentMethod, Seller, UsageEvent
from perennial.db.repositories import usage
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.coupons import CouponTerms
from perennial.domain.subscription import commands as c
from perennial.domain.usage import Aggregation, Meter
from perennial.engine import plans
from perennial.engine.context import Engine, open_engine
from perennial.engine.coupons import create as create_coupon
from perennial.engine.meters import create as create_meter
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.support.databases import own_database
from tests.support.paper import Make

MONTH, YEAR, WEEK = (Interval(unit) for unit in (IntervalUnit.MONTH, IntervalUnit.YEAR, IntervalUnit.WEEK))
CURRENCIES = {"EUR": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def _prices(kind: str, minor: str | int) -> dict[str, dict[str, Any]]:
    field = "amount" if kind == "flat" else "unit_price"
    return {name: {"type": kind, field: str(Decimal(minor) * unit)} for name, unit in CURRENCIES.items()}


def _tiers(low: int, high: int) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "type": "graduated",
            "tiers": [{"up_to": 3, "unit_price": str(high * unit)}, {"up_to": None, "unit_price": str(low * unit)}],
        }
        for name, unit in CURRENCIES.items()
    }


ADDONS = (
    {"code": "extra", "name": "Extra", "prices": _prices("flat", 333)},
    {"code": "seat", "name": "Seat", "prices": _prices("per_unit", 77)},
)
FEES = ({"code": "setup", "name": "Setup", "amounts": {name: str(499 * unit) for name, unit in CURRENCIES.items()}},)
CALLS = ({"code": "calls", "name": "Calls", "meter": "calls", "prices": _prices("per_unit", "7.5")},)
CHEAP_CALLS = ({"code": "calls", "name": "Calls", "meter": "calls", "prices": _tiers(1, 2)},)
PLANS = (
    NewPlanVersion(code="flat", name="Flat", interval=MONTH, prices=_prices("flat", 1001), addons=ADDONS),
    NewPlanVersion(code="seats", name="Seats", interval=MONTH, prices=_prices("per_unit", 1234), fees=FEES),
    NewPlanVersion(code="tiers", name="Tiers", interval=MONTH, prices=_tiers(99, 250), addons=ADDONS),
    NewPlanVersion(code="gross", name="Gross", interval=MONTH, prices=_prices("flat", 1999), tax_inclusive=True),
    NewPlanVersion(code="yearly", name="Yearly", interval=YEAR, prices=_prices("flat", 9999), addons=ADDONS),
    NewPlanVersion(code="weekly", name="Weekly", interval=WEEK, prices=_prices("per_unit", 301)),
    NewPlanVersion(code="free", name="Free", interval=MONTH, prices=_prices("flat", 0)),
    NewPlanVersion(code="metered", name="Metered", interval=MONTH, prices=_prices("flat", 501), charges=CALLS),
    NewPlanVersion(
        code="gross_metered",
        name="Gross, metered",
        interval=WEEK,
        prices=_prices("per_unit", 299),
        charges=CHEAP_CALLS,
        fees=FEES,
        tax_inclusive=True,
    ),
)
CODES = [plan.code for plan in PLANS]
SELLERS: list[dict[str, Any] | None] = [
    None,
    {"country": "DE", "vat_number": "DE136695976", "registrations": [{"country": "DE"}, {"country": "EU"}]},
    {"country": "CA", "region": "BC", "registrations": [{"country": "CA", "region": "BC"}], "tax_rounding": "line"},
]
PLACES: list[dict[str, Any]] = [
    {},
    {"country": "DE"},
    {"country": "FR"},
    {"country": "AT", "vat_number": "ATU13585627", "vat_checked_at": LONG_AGO},
    {"country": "CA", "region": "BC"},
    {"country": "US", "region": "NY"},
]


@asynccontextmanager
async def open_books(stack: Stack) -> AsyncIterator[Engine]:
    """A database of our own, for there is one seller to each."""
    with own_database(stack.database_url) as db:
        url = db.url.render_as_string(hide_password=False)
        upgrade(url)
        engine = await open_engine(stack.settings().model_copy(update={"database_url": url}))
        prepare_gateway(engine.gateway)
        await create_meter(engine, Meter("calls", "Calls", "call", Aggregation.SUM, "n"))
        for plan in PLANS:
            await plans.create_version(engine, plan)
        await create_coupon(engine, CouponTerms(code="HALF", percent_off=Decimal(50), combinable=True))
        await create_coupon(
            engine,
            CouponTerms(code="FIVE", amount_off=500, currency="EUR", duration_periods=2, combinable=True),
        )
        yield engine
        engine.close()


def sells(session: Session, seller: dict[str, Any] | None) -> None:
    """From now on this is who sells; None: nobody has said so."""
    session.execute(text("DELETE FROM sellers"))
    if seller:
        session.add(Seller(id=1, name="Seller", updated_at=LONG_AGO, **seller))
        session.flush()


async def people(
    engine: Engine, seller: dict[str, Any] | None, place: dict[str, Any], card: str = "pm_card_visa"
) -> str:
    """A customer there, with a card; the seller as given."""
    customer = f"cus_{uuid4().hex}"

    def write(session: Session) -> None:
        sells(session, seller)
        session.add(Customer(id=customer, name="Ada", email="ada@example.com", created_at=LONG_AGO, **place))
        session.flush()
        session.add(
            PaymentMethod(
                id=f"pm_{customer}",
                customer_id=customer,
                gateway="simulator",
                token=card,
                brand="visa",
                last4="4242",
                exp_month=12,
                exp_year=2040,
                is_default=True,
                created_at=LONG_AGO,
            )
        )

    await engine.write(write)
    return customer


def change_plan(code: str, **fields: Any) -> Make:
    def make(session: Session, row: Any, at: datetime) -> c.Command:
        terms = plans.require_terms(session, code, row.currency)
        return c.ChangePlan(request_id="preview", at=at, terms=terms, **fields)

    return make


async def used(engine: Engine, customer: str, subscription: str, at: datetime, values: Sequence[str]) -> None:
    """Events of the meter `calls`, as ingestion writes them."""

    def write(session: Session) -> None:
        usage.lock(session, [subscription], alone=False)
        late = "SELECT coalesce(:at < billed_until, false) FROM usage_windows WHERE subscription_id = :id"
        is_late = bool(session.scalar(text(late), {"at": at, "id": subscription}))
        for value in values:
            session.add(
                UsageEvent(
                    id=uuid4().hex,
                    customer_id=customer,
                    subscription_id=subscription,
                    name="call",
                    at=at,
                    properties={"n": value},
                    received_at=at,
                    late=is_late,
                )
            )

    await engine.write(write)
