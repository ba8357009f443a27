"""Whatever is given, used, voided and let expire: the grants, the balance and the ledger say the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.engine import make_engine
from perennial.db.models import CreditGrant, Customer
from perennial.db.repositories import credits, ledger
from perennial.domain.ledger import Entry, Posting, credit_granted, customer_credit
from tests.support.databases import own_database

START = datetime(2026, 1, 1, tzinfo=UTC)
EUR = "EUR"


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        url = engine.url.render_as_string(hide_password=False)
        upgrade(url)
        crowd = make_engine(url, pool_size=20)
        yield crowd
        crowd.dispose()


def day(n: int) -> datetime:
    return START + timedelta(days=n)


def newcomer(session: Session) -> str:
    customer = Customer(id=f"cus_{uuid4().hex[:20]}", name="Ada", email="ada@example.com", created_at=START)
    session.add(customer)
    session.flush()
    return customer.id


class Purse:
    """A customer's credit as an invoice's issuer sees it: with the postings that go along."""

    def __init__(self, session: Session, customer: str | None = None) -> None:
        self.session, self.customer = session, customer or newcomer(session)
        self.invoices: dict[str, int] = {}

    def give(self, amount: int, now: int, expires: int | None = None) -> None:
        key = f"grant:{uuid4().hex}"
        expires_at = None if expires is None else day(expires)
        assert credits.give(self.session, self.customer, EUR, amount, key, day(now), expires_at=expires_at)
        assert not credits.give(self.session, self.customer, EUR, amount, key, day(now)), "given twice"
        ledger.post(self.session, credit_granted(key, key, EUR, self.customer, amount), day(now))

    def use(self, wanted: int, now: int) -> int:
        invoice = f"inv_{uuid4().hex[:20]}"
        used = credits.use(self.session, self.customer, EUR, wanted, day(now), invoice)
        self._post(f"issue:{invoice}", used, now)
        if used:
            self.invoices[invoice] = used
        return used

    def void(self, now: int) -> int:
        """Of the oldest invoice that used credit."""
        if not self.invoices:
            return 0
        invoice = next(iter(self.invoices))
        amount = self.invoices.pop(invoice)
        credits.give_back(self.session, self.customer, EUR, amount, invoice, day(now))
        self._post(f"void:{invoice}", -amount, now)
        return amount

    def expire(self, now: int) -> int:
        ended = credits.expire(self.session, day(now), customers=1000)
        return sum(each.amount for each in ended if each.customer_id == self.customer)

    def usable(self, now: int) -> int:
        return credits.balance(self.session, self.customer, EUR, day(now))

    def _post(self, key: str, amount: int, now: int) -> None:
        if amount:
            entries = (Entry(customer_credit(self.customer), amount), Entry("receivable", -amount))
            ledger.post(self.session, Posting(key, "test", key, EUR, entries), day(now))

    def sums(self) -> tuple[int, int, int]:
        """Of the grants, the balance, the ledger."""
        asked = text(
            """
            SELECT (SELECT coalesce(sum(remaining), 0) FROM credit_grants WHERE customer_id = :customer) AS grants,
                   (SELECT coalesce(sum(balance), 0) FROM credit_balances WHERE customer_id = :customer) AS balance,
                   (SELECT coalesce(-sum(amount), 0) FROM ledger_entries WHERE account = 'credit:' || :customer)
                   AS ledger
            """
        )
        row = self.session.execute(asked, {"customer": self.customer}).one()
        return int(row.grants), int(row.balance), int(row.ledger)

    def grants(self) -> list[tuple[int, int, int]]:
        """(amount, remaining, expired), in the order in which they were given."""
        self.session.expire_all()
        rows = self.session.query(CreditGrant).filter_by(customer_id=self.customer).order_by(CreditGrant.granted_at)
        return [(row.amount, row.remaining, row.expired) for row in rows]

    def posted(self, account: str) -> list[tuple[int, datetime]]:
        asked = text(
            "SELECT e.amount, t.at FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id "
            "JOIN ledger_entries c ON c.transaction_id = t.id AND c.account = 'credit:' || :customer "
            "WHERE e.account = :account ORDER BY t.at"
        )
        found = self.session.execute(asked, {"customer": self.customer, "account": account})
        return [(row.amount, row.at) for row in found]


@pytest.fixture
def session(database: Engine) -> Iterator[Session]:
    """What a test writes is taken back."""
    with database.connect() as connection, connection.begin() as transaction:
        with Session(connection) as session:
            yield session
        transaction.rollback()


@pytest.fixture
def purse(session: Session) -> Purse:
    return Purse(session)


@contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    yield asked
    event.remove(connection, "before_cursor_execute", note)


ACTS = st.one_of(
    st.tuples(st.just("give"), st.integers(1, 500), st.none() | st.integers(1, 12)),
    st.tuples(st.just("use"), st.integers(0, 700)),
    st.tuples(st.just("void")),
    st.tuples(st.just("expire")),
)


@given(acts=st.lists(st.tuples(st.integers(0, 5), ACTS), max_size=14))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_grants_balance_and_ledger_agree_whatever_happens(
    session: Session, acts: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """Days pass between the acts. What was given is used, expired or left; nothing else comes or goes."""
    with session.begin_nested() as example:
        purse, now = Purse(session), 0
        given = used = lost = 0
        for days, (act, *values) in acts:
            now += days
            usable = purse.usable(now)
            match act:
                case "give":
                    amount, lasts = values
                    purse.give(amount, now, None if lasts is None else now + lasts)
                    given += amount
                case "use":
                    taken = purse.use(values[0], now)
                    assert taken == min(values[0], usable), "all that is usable is used, and nothing more"
                    used += taken
                case "void":
                    used -= purse.void(now)
                case _:
                    purse.expire(now)
                    assert purse.usable(now) == usable == purse.sums()[0]
            grants, balance, booked = purse.sums()
            assert grants == balance == booked >= 0
            lost = -sum(amount for amount, _ in purse.posted("breakage"))
            assert given == used + lost + grants
        example.rollback()
    session.expunge_all()


def test_the_earliest_expiry_is_used_first_and_what_never_expires_last(purse: Purse) -> None:
    purse.give(100, 0)
    purse.give(200, 1, expires=40)
    purse.give(300, 2, expires=30)
    purse.give(400, 3)
    assert purse.use(350, 10) == 350
    assert [left for _, left, _ in purse.grants()] == [100, 150, 0, 400]
    assert purse.use(1000, 10) == 650
    assert [left for _, left, _ in purse.grants()] == [0, 0, 0, 0]


def test_expired_credit_is_posted_once_at_its_own_instant(purse: Purse) -> None:
    """Noticed on the 20th day, by a use; on the 10th, the instant of its expiry, it was no use any more."""
    purse.give(500, 0, expires=10)
    assert (purse.usable(9), purse.usable(10)) == (500, 0)
    assert purse.use(300, 20) == 0
    assert purse.posted("breakage") == [(-500, day(10))]
    assert purse.grants() == [(500, 0, 500)]
    assert purse.expire(30) == 0
    assert purse.sums() == (0, 0, 0)


def test_what_nobody_uses_expires_by_itself(purse: Purse) -> None:
    purse.give(500, 0, expires=10)
    purse.give(40, 0, expires=15)
    assert purse.use(200, 5) == 200
    assert purse.expire(9) == 0
    assert purse.expire(12) == 300
    assert purse.expire(12) == 0
    assert purse.sums() == (40, 40, 40)


def test_a_voided_invoice_gives_back_where_it_came_from(purse: Purse) -> None:
    purse.give(100, 0, expires=10)
    purse.give(100, 0, expires=90)
    assert purse.use(150, 5) == 150
    purse.void(8)
    assert purse.grants() == [(100, 100, 0), (100, 100, 0)]


def test_what_has_expired_meanwhile_comes_back_as_new_credit(purse: Purse) -> None:
    purse.give(100, 0, expires=10)
    purse.give(100, 1, expires=90)
    assert purse.use(150, 5) == 150
    purse.void(20)
    assert purse.grants() == [(100, 0, 0), (100, 100, 0), (100, 100, 0)]
    assert purse.usable(365) == 100, "the new credit does not expire"
    assert purse.posted("breakage") == []


def test_without_credit_it_is_one_statement(session: Session, purse: Purse) -> None:
    with statements(session) as asked:
        assert purse.use(900, 1) == 0
    assert len(asked) == 1


def test_twenty_at_once_never_overdraw(database: Engine) -> None:
    """Twenty invoices of 70 on a credit of 1,000: fourteen are paid in full, one in part."""
    with Session(database) as session, session.begin():
        owner = Purse(session)
        for n in range(10):
            owner.give(100, 0, expires=30 + n)

    def issue(_: int) -> int:
        with Session(database) as session, session.begin():
            return Purse(session, owner.customer).use(70, 1)

    with ThreadPoolExecutor(20) as pool:
        used = list(pool.map(issue, range(20)))
    assert sorted(used) == [0] * 5 + [20] + [70] * 14
    with Session(database) as session:
        assert Purse(session, owner.customer).sums() == (0, 0, 0)
