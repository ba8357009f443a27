"""Numbers without a gap: fifty writers at once, rollbacks among them, by year and with the merchant's own prefixes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from perennial.checks.documents import numbers_have_no_gap
from perennial.checks.result import Outcome
from perennial.cli.migrations import upgrade
from perennial.contracts.activities import Subject
from perennial.db.engine import make_engine
from perennial.db.models import Customer, Invoice, NumberSeries, Seller
from perennial.db.repositories import invoices, numbers
from perennial.db.repositories.numbers import Numbering
from perennial.domain.drafts import DraftLine, invoice_draft
from perennial.tax.table import TableTaxCalculator
from tests.support.databases import own_database

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
WRITERS = 50
# The check asks the database alone.
NO_ENGINE: Any = None


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Engine]:
    """Of its own, with a customer and a connection for every writer."""
    with own_database(database_url) as own:
        url = own.url.render_as_string(hide_password=False)
        upgrade(url)
        engine = make_engine(url, pool_size=WRITERS)
        with Session(engine) as session, session.begin():
            session.add(Customer(id="cus_ada", name="Ada", email="ada@example.com", created_at=NEW_YEAR))
        yield engine
        engine.dispose()


def seller(database: Engine, **fields: object) -> None:
    with Session(database) as session, session.begin():
        session.merge(Seller(id=1, name="Quantum Tea", updated_at=NEW_YEAR, **fields))


def issue(session: Session, name: str, at: datetime) -> None:
    draft = invoice_draft(f"inv_{name}", "USD", [DraftLine(description="x", unit_price=Decimal(1))], at)
    assert invoices.issue(session, Subject("cus_ada"), draft, at, TableTaxCalculator())


def written(database: Engine, like: str) -> list[str]:
    with Session(database) as session:
        return sorted(session.scalars(select(Invoice.number).where(Invoice.id.like(like))))


def plain(database: Engine) -> int:
    """How many numbers of the series without years are given out."""
    with Session(database) as session:
        return (session.scalar(select(NumberSeries.next_number).where(NumberSeries.name == numbers.INVOICE)) or 1) - 1


def checked(database: Engine) -> Outcome:
    with Session(database) as session:
        return numbers_have_no_gap(session, NO_ENGINE)


def test_fifty_writers_and_their_rollbacks_leave_no_gap(database: Engine) -> None:
    """All at the same moment; every third changes its mind at the last one."""
    ready = Barrier(WRITERS)

    def write(n: int) -> None:
        with Session(database) as session:
            session.execute(text("SELECT 1"))
            ready.wait()
            issue(session, f"many_{n}", NEW_YEAR)
            if n % 3:
                session.commit()

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(write, range(WRITERS)))
    kept = sum(1 for n in range(WRITERS) if n % 3)
    before = plain(database) - kept
    given = [number.partition("-")[2] for number in written(database, "inv_many_%")]
    assert given == [f"{n:06d}" for n in range(before + 1, before + kept + 1)]
    assert checked(database).count == 0


def test_each_year_of_the_seller_counts_anew_under_any_prefix(database: Engine) -> None:
    """23:30 UTC on New Year's Eve is next year in Vienna. The plain series goes on where it stopped."""
    eve = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
    seller(database, timezone="Europe/Vienna", invoice_prefix="A-TEA", numbers_by_year=True)
    with Session(database) as session, session.begin():
        for name, at in (("a", eve), ("b", eve), ("c", eve.replace(hour=23)), ("d", NEW_YEAR)):
            issue(session, f"year_{name}", at)
    assert written(database, "inv_year_%") == [
        "A-TEA-2026-000001",
        "A-TEA-2026-000002",
        "A-TEA-2027-000001",
        "A-TEA-2027-000002",
    ]
    seller(database, invoice_prefix="TEA", numbers_by_year=False)
    before = plain(database)
    with Session(database) as session, session.begin():
        issue(session, "plain", NEW_YEAR)
    assert written(database, "inv_plain") == [f"TEA-{before + 1:06d}"]
    assert checked(database).count == 0


def test_the_check_sees_a_gap_in_a_year(database: Engine) -> None:
    with Session(database) as session, session.begin() as transaction:
        numbers.take(session, numbers.INVOICE, Numbering(by_year=True), datetime(2031, 5, 5, tzinfo=UTC))
        found = numbers_have_no_gap(session, NO_ENGINE)
        transaction.rollback()
    assert [(finding.subject, finding.problem) for finding in found.findings] == [
        ("invoice:2031", "number 1 is missing")
    ]
    assert checked(database).count == 0
