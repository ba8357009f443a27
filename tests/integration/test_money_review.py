"""What a review of the money found: each was a defect before it was a test."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.domain.catalog import AddOn
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.state import Discount, Status
from perennial.engine.context import Engine
from perennial.engine.credits import NewGrant, grant
from perennial.engine.subscriptions import NewSubscription
from perennial.gateways.simulator.gateway import SimulatorGateway
from tests.support.paper import Paper, command
from tests.support.paper_books import change_plan, people, used

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
UNION: dict[str, Any] = {"country": "DE", "registrations": [{"country": "DE"}, {"country": "EU"}]}
GERMANY: dict[str, Any] = {"country": "DE"}


@pytest.fixture
def books(paper_books: Engine) -> Engine:
    return paper_books


async def _begin(books: Engine, plan: str, customer: str, **fields: Any) -> Paper:
    known: dict[str, Any] = {"customer_id": customer, "plan": plan, "currency": "EUR", "timezone": "UTC"}
    return await Paper.begin(books, NewSubscription(**known | fields, id=f"sub_{uuid4().hex}"), START)


async def _rows(books: Engine, statement: str, **asked: Any) -> list[Any]:
    return list(await books.read(lambda session: session.execute(text(statement), asked).all()))


async def _write(books: Engine, statement: str, **asked: Any) -> None:
    def write(session: Session) -> None:
        session.execute(text(statement), asked)

    await books.write(write)


async def _bills(paper: Paper) -> list[tuple[str, int, int, str]]:
    """Of each invoice why, its discount, its total and its status."""
    statement = (
        "SELECT reason, discount, total, status FROM invoices WHERE subscription_id = :id ORDER BY issued_at, number"
    )
    return [tuple(row) for row in await _rows(paper.engine, statement, id=paper.state.id)]


async def _lines(paper: Paper, kind: str) -> list[Any]:
    statement = (
        "SELECT i.reason, i.total, l.amount, l.net, l.tax, l.taxes FROM invoice_lines l "
        "JOIN invoices i ON i.id = l.invoice_id "
        "WHERE i.subscription_id = :id AND l.kind = :kind ORDER BY i.issued_at, i.number, l.position"
    )
    return await _rows(paper.engine, statement, id=paper.state.id, kind=kind)


# --- credit ----------------------------------------------------------------------------------------------------------


async def test_a_further_invoice_that_was_given_up_is_not_credited(books: Engine) -> None:
    """The second of two open invoices is void: the week that it was for was never paid, so an upgrade credits none."""
    paper = await _begin(books, "weekly", await people(books, None, {}), net_days=20)
    paper.advance(8 * DAY)
    assert paper.state.collection
    first, second = paper.state.collection.open_invoices
    await paper.send(command(c.GiveUpInvoice, invoice=second))
    await paper.send(command(c.RecordPayment, invoice=first, reference="BANK"))
    await paper.send(command(c.ChangeQuantity, quantity=3))
    assert await _lines(paper, "proration_credit") == []
    assert (await _bills(paper))[1:] == [("renewal", 0, 301, "void"), ("plan_change", 0, 774, "open")]


async def test_each_credit_line_bears_the_taxes_of_one_invoice(books: Engine) -> None:
    """A customer who moved paid German tax first, French tax then. What both have paid comes back in two lines."""
    customer = await people(books, UNION, GERMANY)
    paper = await _begin(books, "flat", customer)
    paper.advance(5 * DAY)
    await _write(books, "UPDATE customers SET country = 'FR' WHERE id = :id", id=customer)
    await paper.send(command(c.ChangeAddOns, addons=(AddOn("extra", 1),)))
    paper.advance(DAY)
    paid = paper.state.period_invoices[-1]
    await paper.send(command(c.CreditInvoice, invoice=paid, amount=280, recurring=280))
    paper.advance(DAY)
    await paper.send(change_plan("tiers", quantity=9))
    taxes = await _rows(
        books,
        "SELECT t.percent, t.base, t.amount, i.net FROM invoice_taxes t JOIN invoices i ON i.id = t.invoice_id "
        "WHERE i.subscription_id = :id ORDER BY i.issued_at DESC, t.position LIMIT 2",
        id=paper.state.id,
    )
    assert [(tax.percent, tax.base, tax.amount) for tax in taxes] == [(20, 459, 92), (19, -161, -31)]
    assert sum(tax.base for tax in taxes) == taxes[0].net
    assert all(len(line.taxes) == 1 for line in await _lines(paper, "proration_credit"))


async def test_a_preview_knows_what_cannot_be_refunded(books: Engine) -> None:
    """The period was paid out of credit, so what a cancellation gives back pays the usage of the same moment."""
    customer = await people(books, None, {})
    await grant(books, NewGrant(customer_id=customer, currency="EUR", amount=501, reason="goodwill"))
    paper = await _begin(books, "metered", customer)
    paper.advance(2 * DAY)
    await used(books, customer, paper.state.id, START + DAY, ["100"])
    make = command(c.Cancel, when=c.When.NOW, refund=c.RefundPolicy.PRORATED)
    preview = await paper.preview(make)
    await paper.send(make)
    [bill] = await _rows(
        books,
        "SELECT total, amount_due FROM invoices WHERE subscription_id = :id AND reason = 'final_usage'",
        id=paper.state.id,
    )
    assert (preview.total, preview.amount_due) == (bill.total, bill.amount_due) == (750, 281)


# --- the first invoice -----------------------------------------------------------------------------------------------


async def test_who_comes_back_after_a_first_invoice_that_was_void_pays_the_fee_and_has_the_coupon(
    books: Engine,
) -> None:
    customer = await people(books, None, {}, card="pm_card_chargeDeclined")
    paper = await _begin(books, "seats", customer, coupons=("FIVE",))
    paper.advance(2 * DAY)
    assert paper.state.status is Status.EXPIRED
    await _write(books, "UPDATE payment_methods SET token = 'pm_card_visa' WHERE customer_id = :id", id=customer)
    await paper.send(command(c.Reactivate))
    paper.advance(70 * DAY)
    assert await _bills(paper) == [
        ("first_period", 500, 1234 - 500 + 499, "void"),
        ("renewal", 500, 1234 - 500 + 499, "paid"),
        ("renewal", 500, 1234 - 500, "paid"),
        ("renewal", 0, 1234, "paid"),
    ]


async def test_a_transfer_that_comes_beside_a_card_is_credit(books: Engine) -> None:
    """The transfer is recorded, but the card that asked for a confirmation has got it meanwhile: both have paid."""
    customer = await people(books, None, {}, card="pm_card_authenticationRequired")
    paper = await _begin(books, "flat", customer)
    paper.advance(timedelta(hours=1))
    [attempt] = await _rows(books, "SELECT gateway_ref FROM payment_attempts WHERE customer_id = :id", id=customer)
    assert isinstance(books.gateway, SimulatorGateway)
    books.gateway.authenticate(attempt.gateway_ref, success=True)
    assert paper.state.collection
    await paper.send(command(c.RecordPayment, invoice=paper.state.collection.invoice, reference="BANK"))
    [balance] = await _rows(books, "SELECT balance FROM credit_balances WHERE customer_id = :id", id=customer)
    assert (paper.state.status, balance.balance) == (Status.ACTIVE, 1001)


async def test_a_sent_invoice_that_was_written_off_was_open_first(books: Engine) -> None:
    """After a reset the same story is told: served while it could be paid, past due, and only then ended."""
    paper = await _begin(books, "weekly", await people(books, None, {}, card="pm_card_chargeDeclined"), net_days=10)
    before, began = paper.state, paper.now
    paper.advance(40 * DAY)
    ended, bills = paper.state, await _bills(paper)
    assert (ended.status, ended.period_no) == (Status.CANCELED, 3)
    paper.state, paper.now = before, began
    paper.advance(40 * DAY)
    assert paper.state == ended
    assert await _bills(paper) == bills


# --- usage -----------------------------------------------------------------------------------------------------------


async def test_a_coupon_is_not_good_for_one_more_invoice_at_the_end(books: Engine) -> None:
    """Two periods, two invoices: what is used in the second is billed by a third, as a renewal would have."""
    customer = await people(books, None, {})
    paper = await _begin(books, "metered", customer, coupons=("FIVE",))
    paper.advance(32 * DAY)
    await used(books, customer, paper.state.id, paper.now, ["200"])
    paper.advance(DAY)
    await paper.send(command(c.Cancel, when=c.When.NOW))
    assert await _bills(paper) == [
        ("first_period", 500, 1, "paid"),
        ("renewal", 500, 1, "paid"),
        ("final_usage", 0, 1500, "paid"),
    ]


async def test_a_coupon_that_rests_takes_nothing_off_the_last_usage(books: Engine) -> None:
    customer = await people(books, None, {})
    paper = await _begin(books, "metered", customer)
    elsewhere = Discount("ELSEWHERE", percent=Decimal(50), plans=("flat",))
    await paper.send(command(c.ApplyCoupon, discount=elsewhere))
    paper.advance(32 * DAY)
    await used(books, customer, paper.state.id, paper.now, ["200"])
    paper.advance(DAY)
    await paper.send(command(c.Cancel, when=c.When.NOW))
    assert (await _bills(paper))[-1] == ("final_usage", 0, 1500, "paid")


async def test_usage_is_taxed_as_it_was_priced_when_it_was_used(books: Engine) -> None:
    """The prices of the old plan hold the tax, those of the new one do not: what was used before costs its price."""
    customer = await people(books, UNION, GERMANY)
    paper = await _begin(books, "gross_metered", customer)
    await used(books, customer, paper.state.id, START, ["1000"])
    paper.advance(DAY)
    await paper.send(change_plan("metered"))
    paper.advance(40 * DAY)
    [line] = await _lines(paper, "usage")
    assert (line.amount, line.net, line.tax) == (1003, 843, 160)


async def test_late_usage_on_the_invoice_of_a_change_holds_its_tax(books: Engine) -> None:
    customer = await people(books, UNION, GERMANY)
    paper = await _begin(books, "gross_metered", customer)
    await used(books, customer, paper.state.id, START, ["1000"])
    paper.advance(8 * DAY)
    await used(books, customer, paper.state.id, START, ["100"])
    make = command(c.ChangeQuantity, quantity=2)
    preview = await paper.preview(make)
    await paper.send(make)
    renewal, change = await _lines(paper, "usage")
    assert (renewal.reason, change.reason) == ("renewal", "plan_change")
    assert (change.amount, change.net, change.tax) == (100, 84, 16)
    assert preview.total == change.total


async def test_a_mistyped_number_does_not_stop_the_bill(books: Engine) -> None:
    """No column holds what it comes to and no gateway takes it: the most there is is billed, and not charged."""
    customer = await people(books, None, {})
    paper = await _begin(books, "metered", customer)
    await used(books, customer, paper.state.id, START + DAY, ["9" * 18] * 12)
    paper.advance(32 * DAY)
    assert (await _bills(paper))[-1] == ("renewal", 0, 10**12 + 501, "open")
    assert (paper.state.status, paper.state.collection and paper.state.collection.code) == (
        Status.PAST_DUE,
        "amount_too_large",
    )


async def test_the_end_of_who_used_nothing_may_be_told_twice(books: Engine) -> None:
    """No invoice says that this usage has been billed, and still it is billed once."""
    customer = await people(books, None, {})
    paper = await _begin(books, "metered", customer)
    paper.advance(2 * DAY)
    before, asked = paper.state, paper.asked
    await paper.send(command(c.Cancel, when=c.When.NOW))
    paper.state, paper.asked = before, asked
    await paper.send(command(c.Cancel, when=c.When.NOW))
    assert (paper.state.status, paper.state.collection) == (Status.CANCELED, None)
    assert await _bills(paper) == [("first_period", 0, 501, "paid")]
