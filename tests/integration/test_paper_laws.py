"""Laws over random histories of commands on real books: previews come true, parts sum, nothing is taken back twice."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from perennial.db.models import (
    Correction,
    CreditGrant,
    CreditNote,
    CreditUse,
    Customer,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    PaymentAttempt,
    Refund,
    UsageBilled,
)
from perennial.domain.catalog import AddOn
from perennial.domain.errors import PerennialError
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import CreditedPart
from perennial.domain.subscription.state import Discount
from perennial.engine import credit_notes
from perennial.engine.context import Engine
from perennial.engine.credit_notes import NewCreditNote
from perennial.engine.subscriptions import NewSubscription
from tests.support.paper import Make, Paper, command
from tests.support.paper_books import CODES, CURRENCIES, PLACES, SELLERS, change_plan, people, sells, used
from tests.support.paper_sums import add_up, usage_adds_up

HISTORIES = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def books(paper_books: Engine) -> Engine:
    return paper_books


ADD_ONS = st.lists(st.sampled_from(["extra", "seat"]), unique=True).flatmap(
    lambda codes: st.tuples(*(st.builds(AddOn, st.just(code), st.integers(1, 3)) for code in codes))
)
BASIS = st.sampled_from([None, *ProrationBasis])
WHEN = st.sampled_from([c.When.NOW, c.When.NOW, c.When.PERIOD_END])
WAIT = st.tuples(st.just("wait"), st.floats(0.01, 45).map(lambda days: timedelta(seconds=int(days * 86_400))))
MOVES = st.one_of(
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
    st.tuples(st.just("pay"), st.integers(0, 2)),
    st.tuples(st.just("give_up"), st.integers(0, 2), st.booleans()),
)
# What happens around a subscription, without being asked of it.
EVENTS = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 40), st.lists(st.integers(-5, 60).map(str), min_size=1, max_size=3)),
    st.tuples(st.just("moves"), st.sampled_from(PLACES)),
    st.tuples(st.just("sells"), st.sampled_from(SELLERS)),
    st.tuples(st.just("card"), st.sampled_from(["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"])),
    st.tuples(st.just("credit"), st.integers(0, 3), st.none() | st.integers(1, 900), st.booleans(), st.booleans()),
)


def _made(paper: Paper, move: tuple[Any, ...]) -> Make:  # noqa: C901, PLR0911 - one case a move
    match move:
        case ("plan", code, fields):
            return change_plan(code, **fields)
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
        case ("pay", n):
            return command(c.RecordPayment, invoice=_open(paper, n), reference="BANK")
        case ("give_up", n, write_off):
            return command(c.GiveUpInvoice, invoice=_open(paper, n), write_off=write_off)
    raise AssertionError(move)


def _open(paper: Paper, n: int) -> str:
    case = paper.state.collection
    return case.open_invoices[n % len(case.open_invoices)] if case else "?"


async def _happen(books: Engine, paper: Paper, event: tuple[Any, ...]) -> None:
    customer = paper.state.customer_id
    match event:
        case ("use", days_ago, values):
            at = max(paper.now - timedelta(days=days_ago), paper.state.created_at)
            await used(books, customer, paper.state.id, at, values)
        case ("moves", place):
            known = {"country": None, "region": None, "vat_number": None, "vat_checked_at": None} | place
            await books.write(
                lambda session: session.execute(update(Customer).where(Customer.id == customer).values(**known))
            )
        case ("sells", seller):
            await books.write(lambda session: sells(session, seller))
        case ("card", token):
            await _execute(
                books, "UPDATE payment_methods SET token = :token WHERE customer_id = :id", id=customer, token=token
            )
        case ("credit", n, amount, by_line, refund):
            await _credit(books, paper, n, amount, by_line=by_line, refund=refund)


async def _credit(books: Engine, paper: Paper, n: int, amount: int | None, *, by_line: bool, refund: bool) -> None:
    """A credit note as the edge asks for it: what it shows is what is given."""
    before = await paper.charged()
    if not before.invoices:
        return
    invoice = list(before.invoices)[-1 - n % len(before.invoices)]
    lines = (CreditedPart(n, amount),) if by_line else ()
    new = NewCreditNote(invoice_id=invoice, amount=None if by_line else amount, lines=lines, refund=refund)
    try:
        preview = await credit_notes.preview(paper.engine, new)
    except PerennialError:
        return
    recurring = await books.read(
        lambda session: sum(
            line.net + (line.tax if row.tax_inclusive else 0)
            for line in preview.lines
            for row in session.execute(
                text("SELECT kind, tax_inclusive FROM invoice_lines WHERE invoice_id = :id AND position = :n"),
                {"id": invoice, "n": line.position},
            )
            if row.kind in ("plan", "add_on", "proration_debit")
        )
    )
    key = before.invoices[invoice]["key"]
    asked = {"invoice": key, "amount": new.amount, "lines": lines, "refund": refund, "recurring": recurring}
    await paper.send(command(c.CreditInvoice, **asked))
    after = await paper.charged()
    assert after.credited - before.credited == preview.total


async def _execute(books: Engine, statement: str, **asked: Any) -> None:
    def write(session: Session) -> None:
        session.execute(text(statement), asked)

    await books.write(write)


async def _twice(books: Engine, paper: Paper, step: Callable[[], Awaitable[None]]) -> None:
    """Do it; then, as after a reset, tell it again from where it began: it ends the same, and nothing is written."""
    state, now, asked = paper.state, paper.now, paper.asked
    await step()
    after, written = paper.state, await books.read(_written)
    paper.state, paper.now, paper.asked = state, now, asked
    await step()
    assert paper.state == after
    assert await books.read(_written) == written


_MONEY = (Invoice, InvoiceLine, CreditNote, Correction, LedgerEntry, PaymentAttempt, Refund, CreditGrant, CreditUse)


def _written(session: Session) -> list[Any]:
    """How much there is of everything that is money; nobody else writes to these books."""
    counts = [select(func.count()).select_from(table).scalar_subquery() for table in _MONEY]
    sums = [select(func.sum(column)).scalar_subquery() for column in (UsageBilled.quantity, CreditGrant.remaining)]
    return list(session.execute(select(*counts, *sums)).one())


@HISTORIES
@given(
    seller=st.sampled_from(SELLERS),
    place=st.sampled_from(PLACES),
    plan=st.sampled_from(CODES),
    currency=st.sampled_from(list(CURRENCIES)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]),
    quantity=st.integers(1, 5),
    start=st.integers(0, 365 * 86_400).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n)),
    net_days=st.sampled_from([None, None, 10, 45]),
    moves=st.lists(st.one_of(WAIT, MOVES, EVENTS), min_size=4, max_size=14),
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
    net_days: int | None,
    moves: list[tuple[Any, ...]],
) -> None:
    customer = await people(books, seller, place)
    new = NewSubscription(
        customer_id=customer,
        plan=plan,
        currency=currency,
        quantity=quantity,
        timezone=zone,
        net_days=net_days,
        id=f"sub_{uuid4().hex}",
        coupons=("FIVE",) if currency == "EUR" and quantity == 1 else (),
    )
    paper = await Paper.begin(books, new, start)
    for move in moves:
        if move[0] == "wait":

            async def wait(by: timedelta = move[1]) -> None:
                paper.advance(by)

            await _twice(books, paper, wait)
        elif move[0] in ("use", "moves", "sells", "card", "credit"):
            await _happen(books, paper, move)
        else:
            await _ask(books, paper, _made(paper, move))
    await books.read(lambda session: add_up(session, customer))
    await books.read(lambda session: usage_adds_up(session, paper.state.id))


async def _ask(books: Engine, paper: Paper, make: Make) -> None:
    """What the preview says is what is charged and given back."""
    try:
        preview = await paper.preview(make)
    except PerennialError as refusal:
        with pytest.raises(type(refusal)):
            await paper.send(make)
        return
    before = await paper.charged()
    await _twice(books, paper, lambda: paper.send(make))
    after = await paper.charged()
    billed = [row for key, row in after.invoices.items() if key not in before.invoices]
    assert after.credited - before.credited == preview.credit_issued
    assert bool(billed) == bool(preview.lines)
    for row in billed[:1]:
        assert (row["total"], row["tax"], row["amount_due"]) == (preview.total, preview.tax, preview.amount_due)
        assert (row["subtotal"], row["discount"]) == (preview.subtotal, preview.discount)
