"""A refund and a dispute of one charge at once: whoever holds the invoice is first, and the other one sees it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import permutations
from uuid import uuid4

import pytest
from sqlalchemy import text

from activities.credits import promise, send
from perennial.contracts.activities import Subject
from perennial.db.engine import unit_of_work
from perennial.db.repositories import credit_notes, disputes
from perennial.db.repositories.disputes import News
from perennial.domain import keys
from perennial.domain.disputes import DisputeStatus
from perennial.domain.subscription.effects import Credit
from perennial.engine.context import Engine
from perennial.engine.disputes import simulate
from perennial.engine.subscriptions import NewSubscription
from tests.support.executions import waits
from tests.support.paper import Paper
from tests.support.paper_books import people

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN, WON, LOST = DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST


TOLD = (
    "SELECT CAST(m.payload->>'amount' AS integer) AS amount FROM outbox_messages m "
    "JOIN payment_attempts a ON a.customer_id = m.customer_id WHERE m.kind = 'refund_credited' AND a.id = :attempt"
)


@dataclass(frozen=True)
class Charge:
    engine: Engine
    subject: Subject
    invoice: str
    attempt: str
    key: str
    amount: int
    currency: str

    def news(self, status: DisputeStatus, ref: str = "dp_1") -> News:
        ref = f"{ref}:{self.attempt}"
        return News("simulator", ref, self.key, status, self.amount, self.currency, "fraudulent", NOW)

    def refund(self) -> Credit:
        name = keys.credit(self.subject.subscription_id or "", uuid4().hex)
        return Credit(name, "requested", self.currency, (self.invoice,), None, refund=True)

    def book(self, status: DisputeStatus, ref: str = "dp_1") -> None:
        with unit_of_work(self.engine.sessions) as session:
            disputes.book(session, self.news(status, ref))

    def count(self, statement: str) -> int:
        with self.engine.db.connect() as connection:
            found = connection.execute(text(statement), {"attempt": self.attempt, "invoice": self.invoice})
            return int(found.scalar_one())

    @property
    def told_as_credit(self) -> int:
        """What the customer is told of refunds that have become credit."""
        return self.count(f"SELECT coalesce(sum(amount), 0) FROM ({TOLD}) AS told")  # noqa: S608 - our own words

    @property
    def promised(self) -> int:
        return self.count("SELECT coalesce(sum(amount), 0) FROM refunds WHERE attempt_id = :attempt")

    @property
    def losses(self) -> int:
        return self.count(
            "SELECT coalesce(sum(e.amount), 0) FROM ledger_entries e JOIN ledger_transactions t "
            "ON t.id = e.transaction_id JOIN disputes d ON t.subject_id = d.id "
            "WHERE d.attempt_id = :attempt AND e.account = 'dispute_losses'"
        )

    def credit(self) -> int:
        with self.engine.db.connect() as connection:
            found = connection.execute(
                text("SELECT coalesce(sum(balance), 0) FROM credit_balances WHERE customer_id = :id"),
                {"id": self.subject.customer_id},
            )
            return int(found.scalar_one())


@pytest.fixture
async def charge(paper_books: Engine) -> Charge:
    customer = await people(paper_books, None, {})
    new = NewSubscription(customer_id=customer, plan="flat", currency="EUR", timezone="UTC", id=f"sub_{uuid4().hex}")
    paper = await Paper.begin(paper_books, new, NOW)
    find = text(
        "SELECT i.key AS invoice, a.id, a.key, a.amount FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id "
        "WHERE i.subscription_id = :id"
    )
    row = await paper_books.read(lambda session: session.execute(find, {"id": paper.state.id}).one())
    subject = Subject(customer, subscription_id=paper.state.id)
    return Charge(paper_books, subject, row.invoice, row.id, row.key, row.amount, "EUR")


async def test_a_dispute_that_is_first_leaves_nothing_to_refund(charge: Charge) -> None:
    def refund() -> None:
        with unit_of_work(charge.engine.sessions) as session:
            promise(session, charge.subject, charge.refund(), NOW)

    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(charge.engine.sessions) as session:
            disputes.book(session, charge.news(OPEN))
            other = pool.submit(refund)
            assert waits(other)
        other.result(10)
    assert (charge.promised, charge.credit()) == (0, 0)


async def test_a_refund_that_is_first_is_refused_by_the_bank_and_not_given_twice(charge: Charge) -> None:
    """Promised, then disputed, then sent: the gateway refuses it, so it becomes credit, which the loss takes back."""
    engine = charge.engine
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(engine.sessions) as session:
            _, refunds = promise(session, charge.subject, charge.refund(), NOW)
            other = pool.submit(charge.book, OPEN)
            assert waits(other)
        other.result(10)
    assert charge.promised == charge.amount
    await simulate(engine, charge.attempt, OPEN)
    await asyncio.to_thread(send, engine.sessions, engine.gateways, refunds, NOW)
    assert charge.credit() == charge.amount
    charge.book(LOST)
    assert (charge.credit(), charge.losses) == (0, 0)


async def test_a_refund_that_fails_after_the_dispute_is_lost_is_not_credit_as_well(charge: Charge) -> None:
    """The gateway had the refund in hand for days. What is told of it twice is taken once."""
    with unit_of_work(charge.engine.sessions) as session:
        _, refunds = promise(session, charge.subject, charge.refund(), NOW)
    charge.book(LOST)
    assert (charge.credit(), charge.losses) == (0, charge.amount)
    for _ in range(2):
        with unit_of_work(charge.engine.sessions) as session:
            credit_notes.finish(session, refunds[0], "re_1", NOW, succeeded=False)
    assert (charge.credit(), charge.losses) == (0, 0)
    assert charge.count(f"SELECT count(*) FROM ({TOLD}) AS told") == 0  # noqa: S608 - our own words


async def test_a_refund_that_fails_while_the_dispute_is_decided_is_given_once(charge: Charge) -> None:
    with unit_of_work(charge.engine.sessions) as session:
        _, refunds = promise(session, charge.subject, charge.refund(), NOW)
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(charge.engine.sessions) as session:
            credit_notes.finish(session, refunds[0], "re_1", NOW, succeeded=False)
            other = pool.submit(charge.book, LOST)
            assert waits(other)
        other.result(10)
    assert (charge.credit(), charge.losses) == (0, 0)


async def test_a_refund_that_fails_late_loses_no_more_than_was_given_twice(charge: Charge) -> None:
    """Half of the charge is lost. Of it 40 % had become credit, which went with it, and 60 % were to be refunded."""
    lost, credited = charge.amount // 2, charge.amount * 2 // 5
    with unit_of_work(charge.engine.sessions) as session:
        credit_notes.issue(session, charge.subject, replace(charge.refund(), amount=credited, refund=False), NOW)
    with unit_of_work(charge.engine.sessions) as session:
        back = replace(charge.refund(), amount=charge.amount - credited)
        _, refunds = promise(session, charge.subject, back, NOW)
    with unit_of_work(charge.engine.sessions) as session:
        disputes.book(session, replace(charge.news(LOST), amount=lost))
    assert (charge.credit(), charge.losses) == (0, lost - credited)
    with unit_of_work(charge.engine.sessions) as session:
        credit_notes.finish(session, refunds[0], "re_1", NOW, succeeded=False)
    assert (charge.credit(), charge.losses) == (charge.amount - lost, 0)
    assert charge.told_as_credit == charge.amount - lost


async def test_news_of_one_dispute_from_many_sides_is_booked_once(charge: Charge) -> None:
    """Opened five times, lost five times, at once and in any order."""
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(charge.book, [OPEN, LOST] * 5))
    rows = "SELECT count(*) FROM disputes WHERE attempt_id = :attempt AND status = 'lost'"
    posted = (
        "SELECT count(*) FROM ledger_transactions t JOIN disputes d ON t.subject_id = d.id "
        "WHERE d.attempt_id = :attempt"
    )
    assert (charge.count(rows), charge.count(posted), charge.losses) == (1, 2, charge.amount)


async def test_a_second_dispute_of_one_charge_is_one_of_its_own(charge: Charge) -> None:
    charge.book(OPEN, "dp_1")
    charge.book(DisputeStatus.WON, "dp_1")
    charge.book(LOST, "dp_2")
    assert charge.count("SELECT count(*) FROM disputes WHERE attempt_id = :attempt") == 2
    assert charge.losses == charge.amount


MORNING, EVENING = (datetime(2026, 4, 1, hour, tzinfo=UTC) for hour in (8, 20))
NIGHT = datetime(2026, 4, 1, 23, tzinfo=UTC)


def tell(charge: Charge, status: DisputeStatus, told_at: datetime) -> None:
    with unit_of_work(charge.engine.sessions) as session:
        disputes.book(session, replace(charge.news(status), told_at=told_at))


def cash(charge: Charge) -> int:
    """What the dispute has taken and left, minor units."""
    return charge.count(
        "SELECT coalesce(sum(e.amount), 0) FROM ledger_entries e JOIN ledger_transactions t "
        "ON t.id = e.transaction_id JOIN disputes d ON t.subject_id = d.id "
        "WHERE d.attempt_id = :attempt AND e.account = 'cash:simulator'"
    )


@pytest.mark.parametrize("order", list(permutations([(LOST, MORNING), (WON, EVENING), (LOST, NIGHT)])))
async def test_a_decision_that_is_reversed_is_booked_whatever_is_heard_first(
    charge: Charge, order: tuple[tuple[DisputeStatus, datetime], ...]
) -> None:
    """Lost, won, and lost again at last: the latest by the gateway's clock counts, each as often as it is told."""
    charge.book(OPEN)
    for status, told_at in order:
        for _ in range(2):
            tell(charge, status, told_at)
    assert (charge.losses, cash(charge)) == (charge.amount, -charge.amount)


async def test_what_was_lost_and_is_won_after_all_is_cash_again_and_its_credit_the_customers(charge: Charge) -> None:
    with unit_of_work(charge.engine.sessions) as session:
        credit_notes.issue(session, charge.subject, replace(charge.refund(), amount=300, refund=False), NOW)
    tell(charge, LOST, MORNING)
    assert (charge.credit(), charge.losses, cash(charge)) == (0, charge.amount - 300, -charge.amount)
    tell(charge, WON, EVENING)
    assert (charge.credit(), charge.losses, cash(charge)) == (300, 0, 0)
    tell(charge, LOST, MORNING)
    assert (charge.credit(), charge.losses, cash(charge)) == (300, 0, 0)
    tell(charge, LOST, NIGHT)
    assert (charge.credit(), charge.losses, cash(charge)) == (0, charge.amount - 300, -charge.amount)


async def test_ten_who_hear_of_a_reversal_book_it_once(charge: Charge) -> None:
    tell(charge, LOST, MORNING)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: tell(charge, WON, EVENING), range(10)))
    assert (charge.losses, cash(charge)) == (0, 0)
