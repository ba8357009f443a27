"""Laws over random histories of commands on real books: previews come true, parts sum, nothing is taken back twice."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.models import Customer, PaymentMethod, Seller
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import AddOn
from perennial.domain.coupons import CouponTerms
from perennial.domain.errors import PerennialError
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.state import Discount
from perennial.engine import plans
from perennial.engine.context import Engine, open_engine
from perennial.engine.coupons import create as create_coupon
from perennial.engine.subscriptions import NewSubscription
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.support.databases import own_database
from tests.support.paper import Make, Paper, command

MONTH, YEAR, WEEK = (Interval(unit) for unit in (IntervalUnit.MONTH, IntervalUnit.YEAR, IntervalUnit.WEEK))
CURRENCIES = {"EUR": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}
HISTORIES = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def _prices(kind: str, minor: int) -> dict[str, dict[str, Any]]:
    field = "amount" if kind == "flat" else "unit_price"
    return {name: {"type": kind, field: str(minor * unit)} for name, unit in CURRENCIES.items()}


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
PLANS = (
    NewPlanVersion(code="flat", name="Flat", interval=MONTH, prices=_prices("flat", 1001), addons=ADDONS),
    NewPlanVersion(code="seats", name="Seats", interval=MONTH, prices=_prices("per_unit", 1234), fees=FEES),
    NewPlanVersion(code="tiers", name="Tiers", interval=MONTH, prices=_tiers(99, 250), addons=ADDONS),
    NewPlanVersion(code="gross", name="Gross", interval=MONTH, prices=_prices("flat", 1999), tax_inclusive=True),
    NewPlanVersion(code="yearly", name="Yearly", interval=YEAR, prices=_prices("flat", 9999), addons=ADDONS),
    NewPlanVersion(code="weekly", name="Weekly", interval=WEEK, prices=_prices("per_unit", 301)),
    NewPlanVersion(code="free", name="Free", interval=MONTH, prices=_prices("flat", 0)),
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
    {"country": "AT", "vat_number": "ATU13585627", "vat_checked_at": datetime(2026, 1, 1, tzinfo=UTC)},
    {"country": "CA", "region": "BC"},
    {"country": "US", "region": "NY"},
]


@pytest.fixture(scope="module")
async def books(stack: Stack) -> AsyncIterator[Engine]:
    """Books of our own, for there is one seller to each."""
    with own_database(stack.database_url) as db:
        url = db.url.render_as_string(hide_password=False)
        upgrade(url)
        engine = await open_engine(stack.settings().model_copy(update={"database_url": url}))
        prepare_gateway(engine.gateway)
        for plan in PLANS:
            await plans.create_version(engine, plan)
        await create_coupon(engine, CouponTerms(code="HALF", percent_off=Decimal(50), combinable=True))
        await create_coupon(
            engine,
            CouponTerms(code="FIVE", amount_off=500, currency="EUR", duration_periods=2, combinable=True),
        )
        yield engine
        engine.close()


async def _people(engine: Engine, seller: dict[str, Any] | None, place: dict[str, Any]) -> str:
    """A customer there, with a card; the seller as given."""
    customer = f"cus_{uuid4().hex}"

    def write(session: Session) -> None:
        session.execute(text("DELETE FROM sellers"))
        now = datetime(2026, 1, 1, tzinfo=UTC)
        if seller:
            session.add(Seller(id=1, name="Seller", updated_at=now, **seller))
        session.add(Customer(id=customer, name="Ada", email="ada@example.com", created_at=now, **place))
        session.flush()
        session.add(
            PaymentMethod(
                id=f"pm_{customer}",
                customer_id=customer,
                gateway="simulator",
                token="pm_card_visa",
                brand="visa",
                last4="4242",
                exp_month=12,
                exp_year=2040,
                is_default=True,
                created_at=now,
            )
        )

    await engine.write(write)
    return customer


def _change_plan(engine: Engine, code: str, **fields: Any) -> Make:
    def make(session: Session, row: Any, at: datetime) -> c.Command:
        terms = plans.require_terms(session, code, row.currency)
        return c.ChangePlan(request_id="preview", at=at, terms=terms, **fields)

    return make


ADD_ONS = st.lists(st.sampled_from(["extra", "seat"]), unique=True).flatmap(
    lambda codes: st.tuples(*(st.builds(AddOn, st.just(code), st.integers(1, 3)) for code in codes))
)
BASIS = st.sampled_from([None, *ProrationBasis])
WHEN = st.sampled_from([c.When.NOW, c.When.NOW, c.When.PERIOD_END])
MOVES = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.01, 45).map(lambda days: timedelta(seconds=int(days * 86_400)))),
    st.tuples(
        st.just("plan"), st.sampled_from(CODES), st.fixed_dictionaries({"quantity": st.integers(1, 6), "when": WHEN})
    ),
    st.tuples(
        st.just("quantity"), st.fixed_dictionaries({"quantity": st.integers(1, 9), "when": WHEN, "proration": BASIS})
    ),
    st.tuples(st.just("addons"), st.fixed_dictionaries({"addons": ADD_ONS, "when": WHEN})),
    st.tuples(st.just("pause")),
    st.tuples(st.just("resume")),
    st.tuples(st.just("skip")),
    st.tuples(st.just("coupon")),
    st.tuples(
        st.just("cancel"),
        st.fixed_dictionaries({"when": WHEN, "refund": st.sampled_from(list(c.RefundPolicy))}),
    ),
    st.tuples(st.just("reactivate")),
    st.tuples(st.just("credit"), st.integers(1, 400), st.booleans()),
)


def _made(paper: Paper, engine: Engine, move: tuple[Any, ...]) -> Make:  # noqa: C901 - one case a move
    match move:
        case ("plan", code, fields):
            return _change_plan(engine, code, **fields)
        case ("quantity", fields):
            return command(c.ChangeQuantity, **fields)
        case ("addons", fields):
            return command(c.ChangeAddOns, **fields)
        case ("pause",):
            return command(c.PauseSubscription)
        case ("resume",):
            return command(c.Resume)
        case ("skip",):
            return command(c.SkipNext)
        case ("coupon",):
            return command(c.ApplyCoupon, discount=Discount("HALF", percent=Decimal(50), combinable=True))
        case ("cancel", fields):
            return command(c.Cancel, **fields)
        case ("reactivate",):
            return command(c.Reactivate)
        case ("credit", amount, refund):
            invoice = paper.state.period_invoices[-1] if paper.state.period_invoices else "?"
            recurring = min(amount, paper.state.period_billed)
            return command(c.CreditInvoice, invoice=invoice, amount=recurring, recurring=recurring, refund=refund)
    raise AssertionError(move)


@HISTORIES
@given(
    seller=st.sampled_from(SELLERS),
    place=st.sampled_from(PLACES),
    plan=st.sampled_from(CODES),
    currency=st.sampled_from(list(CURRENCIES)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]),
    quantity=st.integers(1, 5),
    start=st.integers(0, 365 * 86_400).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n)),
    moves=st.lists(MOVES, min_size=4, max_size=14),
)
async def test_previews_come_true_and_documents_add_up(
    books: Engine,
    seller: dict[str, Any] | None,
    place: dict[str, Any],
    plan: str,
    currency: str,
    zone: str,
    quantity: int,
    start: datetime,
    moves: list[tuple[Any, ...]],
) -> None:
    customer = await _people(books, seller, place)
    new = NewSubscription(
        customer_id=customer,
        plan=plan,
        currency=currency,
        quantity=quantity,
        timezone=zone,
        id=f"sub_{uuid4().hex}",
        coupons=("FIVE",) if currency == "EUR" and quantity == 1 else (),
    )
    paper = await Paper.begin(books, new, start)
    for move in moves:
        if move[0] == "wait":
            paper.advance(move[1])
            continue
        make = _made(paper, books, move)
        try:
            preview = await paper.preview(make)
        except PerennialError as refusal:
            with pytest.raises(type(refusal)):
                await paper.send(make)
            continue
        before = await paper.charged()
        await paper.send(make)
        after = await paper.charged()
        billed = [row for key, row in after.invoices.items() if key not in before.invoices]
        assert after.credited - before.credited == preview.credit_issued, move
        assert bool(billed) == bool(preview.lines), move
        for row in billed[:1]:
            assert (row["total"], row["tax"], row["amount_due"]) == (preview.total, preview.tax, preview.amount_due)
            assert (row["subtotal"], row["discount"]) == (preview.subtotal, preview.discount)
    await books.read(lambda session: _add_up(session, customer))


def _add_up(session: Session, customer: str) -> None:
    """Parts sum to totals in every document; lines are never taken back further than they were charged; books agree."""
    mine = {"id": customer}
    wrong = session.execute(
        text(
            "SELECT i.id FROM invoices i JOIN (SELECT invoice_id, sum(net) AS net, sum(tax) AS tax, "
            "sum(amount) AS amount, sum(discount) AS discount FROM invoice_lines GROUP BY invoice_id) l "
            "ON l.invoice_id = i.id WHERE i.customer_id = :id AND "
            "(i.net, i.tax, i.subtotal, i.discount) <> (l.net, l.tax, l.amount, l.discount)"
        ),
        mine,
    ).all()
    assert wrong == []
    taxed = session.execute(
        text(
            "SELECT i.id FROM invoices i LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM invoice_taxes "
            "GROUP BY invoice_id) t ON t.invoice_id = i.id "
            "WHERE i.customer_id = :id AND i.tax <> coalesce(t.amount, 0)"
        ),
        mine,
    ).all()
    assert taxed == []
    too_far = session.execute(
        text(
            "SELECT l.invoice_id, l.position FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
            "JOIN corrections c ON c.invoice_id = l.invoice_id AND c.line_position = l.position "
            "WHERE i.customer_id = :id GROUP BY l.invoice_id, l.position "
            "HAVING sum(c.net) > min(l.net) OR sum(c.tax) > min(l.tax) OR min(c.net) < 0 OR min(c.tax) < 0"
        ),
        mine,
    ).all()
    assert too_far == []
    unlike = session.execute(
        text(
            "SELECT n.id FROM credit_notes n JOIN (SELECT document_id, sum(net) AS net, sum(tax) AS tax "
            "FROM corrections GROUP BY document_id) c ON c.document_id = n.id "
            "WHERE n.customer_id = :id AND (n.net, n.tax) <> (c.net, c.tax)"
        ),
        mine,
    ).all()
    assert unlike == []
    entries = session.execute(
        text(
            "SELECT e.account, e.amount FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id "
            "WHERE t.subject_id IN (SELECT id FROM invoices WHERE customer_id = :id "
            "UNION ALL SELECT id FROM credit_notes WHERE customer_id = :id)"
        ),
        mine,
    )
    kept: Counter[str] = Counter()
    for account, amount in entries:
        kept[account] += amount
    assert sum(kept.values()) == 0
    assert kept["receivable"] == 0
    balance = session.execute(
        text("SELECT coalesce(sum(balance), 0) FROM credit_balances WHERE customer_id = :id"), mine
    ).scalar_one()
    assert -kept[f"credit:{customer}"] == balance >= 0
    owed = session.execute(
        text(
            "SELECT coalesce(sum(t.amount), 0) FROM invoice_taxes t JOIN invoices i ON i.id = t.invoice_id "
            "WHERE i.customer_id = :id AND i.status <> 'void'"
        ),
        mine,
    ).scalar_one()
    given_back = session.execute(
        text("SELECT coalesce(sum(tax), 0) FROM credit_notes WHERE customer_id = :id"), mine
    ).scalar_one()
    payable = -sum(amount for account, amount in kept.items() if account.startswith("tax_payable:"))
    assert payable == owed - given_back >= 0
