"""Credit notes with taxes, in the database: issued as previewed; no tax goes back that was not collected."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.contracts.activities import Subject
from perennial.db.engine import make_engine
from perennial.db.models import Correction, CreditNote, Customer, Invoice, InvoiceTax, Seller
from perennial.db.repositories import credit_notes, invoices, payments
from perennial.domain import keys
from perennial.domain.drafts import DraftLine, invoice_draft
from perennial.domain.subscription.effects import Credit, CreditedPart
from perennial.tax.table import TableTaxCalculator
from tests.support.databases import own_database

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Engine]:
    """With a seller who collects tax in Germany."""
    with own_database(database_url) as own:
        url = own.url.render_as_string(hide_password=False)
        upgrade(url)
        engine = make_engine(url)
        registrations = [{"country": "DE"}]
        with Session(engine) as session, session.begin():
            session.add(Seller(id=1, name="Tea", country="DE", registrations=registrations, updated_at=NOW))
        yield engine
        engine.dispose()


def paid(session: Session, name: str, *lines: DraftLine) -> str:
    """A one-off invoice of a customer of its own, paid outside; answers its business key."""
    session.add(Customer(id=f"cus_{name}", name="Ada", email="a@example.com", country="DE", created_at=NOW))
    session.flush()
    draft = invoice_draft(f"inv_{name}", "EUR", lines, NOW)
    assert invoices.issue(session, Subject(f"cus_{name}"), draft, NOW, TableTaxCalculator())
    payments.receive(session, invoices.get(session, draft.key), 1, "BANK", NOW)
    return draft.key


def give_back(session: Session, key: str, n: int, amount: int | None, lines: tuple[CreditedPart, ...]) -> None:
    """As the preview says."""
    effect = Credit(f"credit:{key}:{n}", "requested", "EUR", (key,), amount, refund=False, lines=lines)
    before = credit_notes.given(session, effect)
    customer = session.scalars(select(Invoice.customer_id).where(Invoice.key == key)).one()
    credit_notes.issue(session, Subject(customer), effect, NOW + timedelta(days=n))
    note = session.get(CreditNote, keys.document_id("cn", effect.key))
    assert (note.total if note else 0) == before.total
    assert (note.tax if note else 0) == sum(part.tax for part in before.parts)


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_parts_the_tax_goes_back_at_most_once(database: Engine, seed: int) -> None:
    dice = random.Random(seed)
    lines = [
        DraftLine(description="x", unit_price=Decimal(dice.randint(1, 9999)) / 100, tax_inclusive=dice.random() < 0.5)
        for _ in range(dice.randint(1, 4))
    ]
    with Session(database) as session, session.begin():
        key = paid(session, f"seed_{seed}", *lines)
        invoice = session.scalars(select(Invoice).where(Invoice.key == key)).one()
        assert invoice.tax > 0
        for n in range(dice.randint(2, 7)):
            parts = (CreditedPart(dice.randrange(len(lines)), dice.randint(1, 5000)),) if dice.random() < 0.5 else ()
            give_back(session, key, n, None if parts else dice.randint(1, invoice.net), parts)
            gone = session.scalar(select(func.sum(CreditNote.tax)).where(CreditNote.invoice_id == invoice.id)) or 0
            assert gone <= invoice.tax
        give_back(session, key, 99, None, ())
        taken = session.execute(
            select(func.sum(Correction.net), func.sum(Correction.tax)).where(Correction.invoice_id == invoice.id)
        ).one()
        assert tuple(taken) == (invoice.net, invoice.tax)
        accounts = (
            "SELECT account, sum(amount) FROM ledger_entries e JOIN ledger_transactions t ON t.id = transaction_id "
        )
        named = accounts + "WHERE t.key LIKE :key GROUP BY account"
        sums = {account: int(amount) for account, amount in session.execute(text(named), {"key": f"%{key}%"})}
        assert {account: sums[account] for account in ("revenue", "tax_payable:DE", "receivable")} == {
            "revenue": 0,
            "tax_payable:DE": 0,
            "receivable": 0,
        }


def test_a_third_of_a_taxed_invoice_by_hand(database: Engine) -> None:
    """100.00 with 19 % on top: a third of it is 33.33 and 6.33 of tax; the rest 66.67 and 12.67."""
    with Session(database) as session, session.begin():
        key = paid(session, "third", DraftLine(description="x", amount=10_000))
        [(rate, amount)] = session.execute(
            select(InvoiceTax.percent, InvoiceTax.amount).where(InvoiceTax.invoice_id == "inv_third")
        )
        assert (rate, amount) == (Decimal(19), 1_900)
        give_back(session, key, 1, 3_333, ())
        give_back(session, key, 2, None, ())
        notes = session.execute(
            select(CreditNote.net, CreditNote.tax, CreditNote.total)
            .where(CreditNote.invoice_id == "inv_third")
            .order_by(CreditNote.issued_at)
        )
        assert [tuple(note) for note in notes] == [(3_333, 633, 3_966), (6_667, 1_267, 7_934)]
