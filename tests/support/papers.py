"""An invoice that is complete: issued by the engine's own code for a merchant with a name, an address and VAT."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import delete
from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import Customer, Seller
from perennial.db.repositories import credit_notes, invoices
from perennial.domain.calendar import Period
from perennial.domain.pricing import Flat, PerUnit
from perennial.domain.subscription.effects import Credit, CreditedPart, InvoiceDraft, Line, LineDiscount, LineKind
from perennial.domain.subscription.state import Discount
from perennial.tax.table import TableTaxCalculator

START, END = datetime(2026, 1, 30, 23, tzinfo=UTC), datetime(2026, 2, 27, 23, tzinfo=UTC)
LATER = END + timedelta(days=3)
SELLER: dict[str, Any] = {
    "name": "Perennial Gardens GmbH",
    "address_line1": "Lindenstraße 12",
    "postal_code": "10969",
    "city": "Berlin",
    "country": "DE",
    "email": "billing@gardens.example",
    "vat_number": "DE123456788",
    "register_number": "HRB 12345 B",
    "iban": "DE02120300000000202051",
    "footer": "Managing director: Grace Hopper",
    "timezone": "Europe/Berlin",
    "registrations": [{"country": "DE"}],
}
BUYER: dict[str, Any] = {
    "name": "Ada Lovelace",
    "company": "Analytical Engines GmbH",
    "address_line1": "Am Kanal 1",
    "postal_code": "80331",
    "city": "München",
    "country": "DE",
    "email": "ada@engines.example",
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
}


def issue_invoice(
    session: Session, *, buyer: dict[str, Any] | None = None, at: datetime = START, **changes: Any
) -> str:
    """Answers the id. The seller is there while it is issued, and gone before anybody else can see one."""
    key = f"invoice:paper:{uuid4().hex}"
    customer = Customer(id=f"cus_{uuid4().hex[:20]}", created_at=at, **BUYER | (buyer or {}))
    session.add_all([customer, Seller(id=1, updated_at=at, **SELLER)])
    session.flush()
    period = Period(at, at + (END - START))
    plan = Line(
        LineKind.PLAN,
        "Premium",
        Decimal(1),
        9_900,
        period,
        discounts=(LineDiscount("LAUNCH20", 1_980),),
        code="premium",
        price=Flat(amount=Decimal(99)),
    )
    seats = Line(
        LineKind.ADD_ON, "Seats", Decimal(12), 14_400, period, code="seats", price=PerUnit(unit_price=Decimal(12))
    )
    known: dict[str, Any] = {
        "key": key,
        "reason": "one_off",
        "currency": "EUR",
        "period_no": 1,
        "period": period,
        "lines": (plan, seats),
        "coupons": (Discount("LAUNCH20", percent=Decimal(20)),),
        "memo": "Purchase order 4711",
    }
    issued = invoices.issue(session, Subject(customer.id), InvoiceDraft(**known | changes), at, TableTaxCalculator())
    assert issued
    session.execute(delete(Seller))
    return issued.id


def credit_invoice(session: Session, invoice_id: str, *lines: CreditedPart) -> str:
    """A credit note for a paid invoice, to the balance; answers its number. The seller is there as above."""
    invoice = session.get_one(invoices.Invoice, invoice_id)
    key = f"credit:paper:{uuid4().hex}"
    session.add(Seller(id=1, updated_at=LATER, **SELLER))
    session.flush()
    credit = Credit(key, "goodwill", invoice.currency, (invoice.key,), amount=None, refund=False, lines=lines)
    credit_notes.issue(session, Subject(invoice.customer_id), credit, LATER)
    session.execute(delete(Seller))
    note = session.query(credit_notes.CreditNote).filter_by(key=key).one()
    assert note.number
    return note.number
