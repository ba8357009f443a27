"""What PostgreSQL itself refuses: books that do not balance, and whatever is written being changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from perennial.db.engine import unit_of_work
from perennial.db.repositories import ledger
from perennial.domain.ledger import Entry, Posting, payment_received
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription
from tests.support.paper import Paper
from tests.support.paper_books import people

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINAL = (
    "ledger_transactions",
    "ledger_entries",
    "invoice_lines",
    "invoice_taxes",
    "corrections",
    "credit_uses",
    "plan_versions",
    "recognitions",
)


def post(engine: Engine, posting: Posting) -> bool:
    with unit_of_work(engine.sessions) as session:
        return ledger.post(session, posting, NOW)


def posted(engine: Engine, key: str) -> tuple[Entry, ...]:
    with engine.sessions() as session:
        return ledger.entries_of(session, key)


def test_a_posting_is_written_once_whoever_comes_at_once(paper_books: Engine) -> None:
    posting = payment_received(uuid4().hex, "inv_1", "EUR", "simulator", 1900)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: post(paper_books, posting), range(8)))
    assert sorted(done) == [False] * 7 + [True]
    assert posted(paper_books, posting.key) == posting.entries


def test_a_posting_that_does_not_balance_is_refused_whatever_the_code_believes(paper_books: Engine) -> None:
    posting = payment_received(uuid4().hex, "inv_1", "EUR", "simulator", 1900)
    object.__setattr__(posting, "entries", (Entry("cash:simulator", 1900), Entry("receivable", -1899)))
    with pytest.raises(IntegrityError, match="does not balance"):
        post(paper_books, posting)
    assert posted(paper_books, posting.key) == ()


@pytest.mark.parametrize("table", FINAL)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_nothing_that_is_written_is_changed(paper_books: Engine, table: str, statement: str) -> None:
    column = "SELECT column_name FROM information_schema.columns WHERE table_name = :table LIMIT 1"
    with paper_books.db.connect() as connection:
        name = connection.scalar(text(column), {"table": table})
        with pytest.raises(IntegrityError, match="append-only"):
            connection.execute(text(statement.format(table, name)))


@pytest.fixture
async def change(paper_books: Engine) -> Callable[[str], None]:
    """Does something to the only invoice of a customer whose card is empty, and takes it back."""
    customer = await people(paper_books, None, {}, card="pm_card_chargeDeclinedInsufficientFunds")
    new = NewSubscription(customer_id=customer, plan="flat", currency="EUR", timezone="UTC", id=f"sub_{uuid4().hex}")
    await Paper.begin(paper_books, new, NOW)

    def execute(statements: str) -> None:
        with paper_books.db.connect() as connection:
            for each in statements.split(";"):
                assert connection.execute(text(f"{each} WHERE customer_id = :id"), {"id": customer}).rowcount == 1

    return execute


async def test_an_issued_invoice_is_closed_and_nothing_else(change: Callable[[str], None]) -> None:
    change("UPDATE invoices SET status = 'paid', closed_at = now()")
    for statements in (
        "UPDATE invoices SET total = total + 1, amount_due = amount_due + 1",
        "UPDATE invoices SET status = 'paid', number = '7'",
        "UPDATE invoices SET status = 'void'; UPDATE invoices SET status = 'open'",
        "DELETE FROM invoices",
    ):
        with pytest.raises(IntegrityError, match="is final"):
            change(statements)
