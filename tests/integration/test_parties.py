"""Who sells to whom, read for every invoice: one statement, two where tax is collected."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.engine import make_engine
from perennial.db.models import Customer, LocationEvidence, OwnTaxRate, Seller
from perennial.db.repositories.tax import sale_for
from perennial.domain.invoice import TaxRounding
from perennial.domain.tax import Registration

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """What a test writes is taken back: other suites share the database, and have no seller."""
    upgrade(database_url)
    engine = make_engine(database_url)
    with engine.connect() as connection, connection.begin() as transaction:
        with Session(connection) as session:
            yield session
        transaction.rollback()
    engine.dispose()


@pytest.fixture
def customer(session: Session) -> Customer:
    customer = Customer(id=f"cus_{uuid4().hex[:20]}", name="Ada", email="ada@example.com", created_at=NOON)
    session.add(customer)
    session.flush()
    return customer


def seller(session: Session, **fields: Any) -> Seller:
    seller = Seller(id=1, updated_at=NOON, **({"name": "Quantum Tea", "country": "DE"} | fields))
    session.add(seller)
    session.flush()
    return seller


def statements(session: Session, customer: str, as_of: datetime = NOON) -> list[str]:
    asked: list[str] = []

    def note(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    sale_for(session, customer, "EUR", as_of)
    event.remove(connection, "before_cursor_execute", note)
    return asked


def test_without_a_seller_there_is_a_buyer_and_no_tax_to_decide(session: Session, customer: Customer) -> None:
    sale, parties = sale_for(session, customer.id, "EUR", NOON)
    assert (sale.seller.country, sale.seller.registrations, sale.on) == (None, (), date(2026, 12, 31))
    assert parties.seller == {}
    assert parties.buyer == {"name": "Ada", "email": "ada@example.com", "locale": "en", "timezone": "UTC"}


def test_one_statement_unless_tax_is_collected(session: Session, customer: Customer) -> None:
    assert len(statements(session, customer.id)) == 1
    row = seller(session)
    assert len(statements(session, customer.id)) == 1
    row.registrations = [{"country": "DE"}]
    session.flush()
    assert len(statements(session, customer.id)) == 2


def test_everything_that_documents_and_tax_law_ask_for(session: Session, customer: Customer) -> None:
    customer.country, customer.region, customer.company = "CA", "BC", "Analytical Engines"
    customer.vat_number, customer.tax_exempt, customer.locale = "FR40303265045", True, "fr-CA"
    for kind, country in (("ip", "US"), ("billing_address", "CA"), ("ip", "CA")):
        session.add(LocationEvidence(customer_id=customer.id, kind=kind, country=country, recorded_at=NOON))
        session.flush()
    seller(
        session,
        registrations=[{"country": "CA", "region": "BC", "number": "PST-1", "since": "2020-01-01"}],
        timezone="Pacific/Auckland",
        tax_rounding="line",
        invoice_prefix="QT",
        numbers_by_year=True,
        logo=b"\x89PNG",
        iban="DE89370400440532013000",
    )
    session.add(
        OwnTaxRate(
            id=f"txr_{uuid4().hex[:20]}",
            country="CA",
            region="BC",
            name="PST",
            percent=Decimal("7.5"),
            valid_from=date(2026, 1, 1),
            created_at=NOON,
        )
    )
    session.flush()
    sale, parties = sale_for(session, customer.id, "CAD", NOON)

    assert sale.on == date(2027, 1, 1)  # where the seller is
    assert sale.seller.registrations == (Registration("CA", "BC", "PST-1", date(2020, 1, 1)),)
    assert [rate.percent for rate in sale.own_rates] == [Decimal("7.5")]
    assert (sale.customer.country, sale.customer.region, sale.customer.exempt) == ("CA", "BC", True)
    assert sale.customer.vat_number is None  # it was never found valid
    assert parties.tax_rounding is TaxRounding.LINE
    assert parties.numbering.invoice_prefix == "QT"
    assert (parties.numbering.by_year, parties.numbering.timezone) == (True, "Pacific/Auckland")
    assert parties.buyer["company"] == "Analytical Engines"
    assert parties.evidence == [{"kind": "billing_address", "country": "CA"}, {"kind": "ip", "country": "CA"}]
    assert parties.seller["iban"] == "DE89370400440532013000"
    assert "logo" not in parties.seller


def test_a_number_that_was_checked_counts(session: Session, customer: Customer) -> None:
    customer.vat_number, customer.vat_checked_at = "FR40303265045", NOON
    session.flush()
    assert sale_for(session, customer.id, "EUR", NOON)[0].customer.vat_number == "FR40303265045"


def test_nobody(session: Session) -> None:
    with pytest.raises(LookupError, match="no customer cus_nobody"):
        sale_for(session, "cus_nobody", "EUR", NOON)
