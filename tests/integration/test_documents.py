"""Documents from the rows of what the engine has issued, and the commands that hand them out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.engine import make_engine
from perennial.db.models import Invoice
from perennial.db.repositories import invoices
from perennial.documents.document import Corrected, Days, Discount, Document, Kind, LineDiscount, Settlement
from perennial.documents.e_invoice import e_invoice
from perennial.documents.load import credit_note_document, days_between, invoice_document
from perennial.documents.validate import violations
from perennial.domain.errors import NotFound
from perennial.domain.pricing import PerUnit
from perennial.domain.subscription.effects import CreditedPart
from perennial.domain.tax import TaxCategory
from perennial.stack import Stack
from tests.integration.conftest import Cli
from tests.support.papers import END, LATER, START, credit_invoice, issue_invoice

FEBRUARY = Days(date(2026, 1, 31), date(2026, 2, 27))


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """What a test writes is taken back."""
    upgrade(database_url)
    engine = make_engine(database_url)
    with engine.connect() as connection, connection.begin() as transaction:
        with Session(connection) as session:
            yield session
        transaction.rollback()
    engine.dispose()


def invoice(session: Session, **changes: Any) -> Document:
    return invoice_document(session, issue_invoice(session, **changes))


def test_an_invoice_as_it_was_issued(session: Session) -> None:
    made = invoice(session)
    assert (made.kind, made.issued, made.due, made.days) == (
        Kind.INVOICE,
        date(2026, 1, 31),
        date(2026, 1, 31),
        FEBRUARY,
    )
    assert (made.subtotal, made.discount, made.net, made.tax, made.total) == (24_300, 1_980, 22_320, 4_241, 26_561)
    assert (made.credit_applied, made.amount_due) == (0, 26_561)
    assert made.settlement == Settlement("open")
    assert (made.seller.name, made.seller.vat_number) == ("Perennial Gardens GmbH", "DE123456788")
    assert (made.buyer.legal_name, made.buyer.city, made.locale) == ("Analytical Engines GmbH", "München", "de-DE")
    assert (made.memo, made.footer) == ("Purchase order 4711", "Managing director: Grace Hopper")
    plan, seats = made.lines
    assert plan.discounts == (LineDiscount("LAUNCH20", 1_980),)
    assert made.discounts == (Discount("LAUNCH20", 1_980),)
    assert (seats.quantity, seats.price, seats.days) == (12, PerUnit(unit_price=Decimal(12)), FEBRUARY)
    (tax,) = made.taxes
    assert (tax.category, tax.percent, tax.base, tax.amount) == (TaxCategory.STANDARD, 19, 22_320, 4_241)
    assert violations(e_invoice(made)) == []


def test_by_number_too(session: Session) -> None:
    found = session.get_one(Invoice, issue_invoice(session))
    assert invoice_document(session, found.number or "").id == found.id
    for load in (invoice_document, credit_note_document):
        with pytest.raises(NotFound):
            load(session, "nobody")


def test_one_that_is_sent_and_one_that_is_paid(session: Session) -> None:
    sent = invoice(session, due_at=START + timedelta(days=14))
    assert (sent.due, sent.settlement) == (date(2026, 2, 14), Settlement("open", sent=True))
    paid = issue_invoice(session)
    invoices.mark_paid(session, paid, LATER)
    assert invoice_document(session, paid).settlement == Settlement("paid", closed=date(2026, 3, 3))


def test_a_business_abroad_owes_the_tax_itself(session: Session) -> None:
    buyer = {"country": "FR", "vat_number": "FR40303265045", "vat_checked_at": START}
    made = invoice(session, buyer=buyer)
    assert [(tax.category, tax.amount) for tax in made.taxes] == [(TaxCategory.REVERSE_CHARGE, 0)]
    assert violations(e_invoice(made)) == []


def test_an_older_invoice_has_the_customer_of_today_and_a_plain_seller(session: Session) -> None:
    """Rows from before documents kept their parties."""
    made = session.get_one(Invoice, issue_invoice(session))
    values = {column.key: getattr(made, column.key) for column in Invoice.__table__.columns}
    old = Invoice(**values | {"id": "inv_old", "key": "old", "number": "OLD-1", "buyer": {}, "seller": {}})
    session.add(old)
    session.flush()
    found = invoice_document(session, "inv_old")
    assert (found.buyer.legal_name, found.locale, found.seller.name) == (
        "Analytical Engines GmbH",
        "de-DE",
        "Perennial",
    )
    assert found.seller == replace(found.seller, address_line1=None, country=None, vat_number=None)
    assert found.logo is None
    assert found.lines == ()


def test_a_credit_note_takes_back_lines_with_their_tax(session: Session) -> None:
    paid = issue_invoice(session)
    invoices.mark_paid(session, paid, START)
    made = credit_note_document(session, credit_invoice(session, paid, CreditedPart(1, 5_000)))
    assert (made.kind, made.net, made.tax, made.total) == (Kind.CREDIT_NOTE, 5_000, 950, 5_950)
    assert [(line.description, line.amount, line.net, line.tax) for line in made.lines] == [
        ("Seats", 5_000, 5_000, 950)
    ]
    assert [(tax.base, tax.amount, tax.percent) for tax in made.taxes] == [(5_000, 950, 19)]
    assert made.corrects == (Corrected(invoice_document(session, paid).number, date(2026, 1, 31)),)
    assert made.settlement == Settlement("issued", credited=5_950)
    assert violations(e_invoice(made)) == []
    rest = credit_note_document(session, credit_invoice(session, paid))
    assert rest.total == 26_561 - 5_950
    assert violations(e_invoice(rest)) == []


def test_days_of_periods_do_not_overlap() -> None:
    assert days_between(START, END, "Europe/Berlin") == FEBRUARY
    # What ends at ten in the morning ends for the next period, which begins on that day.
    assert days_between(START.replace(hour=9), END.replace(hour=9), "UTC") == Days(date(2026, 1, 30), date(2026, 2, 26))
    assert days_between(START.replace(hour=9), START.replace(hour=15), "UTC") == Days(
        date(2026, 1, 30), date(2026, 1, 30)
    )
    assert days_between(START, START, "UTC") is None


@pytest.fixture
def papers(live_stack: Stack) -> str:
    """An invoice that is complete, among others that are not. Of today, for reports begin with the oldest one."""
    engine = create_engine(live_stack.database_url)
    with Session(engine) as session, session.begin():
        made = issue_invoice(session, at=datetime.now(UTC))
    engine.dispose()
    return made


def test_the_command_line_writes_files(cli: Cli, papers: str, tmp_path: Path) -> None:
    for form, begins in (("pdf", b"%PDF-1.7"), ("xml", b"<?xml"), ("html", b"<!doctype html>")):
        out = tmp_path / f"file.{form}"
        said = cli("invoices", form, papers, "--out", str(out), "--json")
        assert said.json["bytes"] == len(out.read_bytes())
        assert out.read_bytes().startswith(begins)
    assert cli("invoices", "pdf", "inv_nobody").code == 2
    assert cli("invoices", "validate").code == 2


def test_the_command_line_validates(cli: Cli, papers: str, subscribed: Any) -> None:
    said = cli("invoices", "validate", papers, "--json")
    assert said.code == 0
    assert [(row["id"], row["verdict"]) for row in said.json["data"]] == [(papers, "valid")]
    subscription = subscribed()["id"]
    short = cli("invoices", "list", "--subscription", subscription, "--json").json["data"][0]["id"]
    every = cli("invoices", "validate", "--all", "--json")
    assert every.code == 1
    verdicts = {row["id"]: (row["verdict"], row["found"]) for row in every.json["data"]}
    assert verdicts[papers] == ("valid", [])
    assert verdicts[short] == ("incomplete", ["seller.country", "buyer.country", "seller.register_number"])
    refused = cli("invoices", "xml", short)
    assert (refused.code, refused.err) == (
        1,
        "document_incomplete: an e-invoice needs seller.country, buyer.country, seller.register_number\n",
    )


def test_json_of_a_wrong_number_is_no_list(cli: Cli) -> None:
    said = cli("invoices", "validate", "nobody", "--json")
    assert said.code == 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(said.out or "-")
