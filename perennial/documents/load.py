"""From the rows of what was issued to a `Document`.

Seller and buyer are those of the day of issue, as they were written into the document's row; a document that is older
than that has the customer of today and a seller without an address.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import CreditNote, Customer, Invoice, InvoiceLine, InvoiceTax, Seller, Subscription
from perennial.documents.document import (
    Days,
    Discount,
    Document,
    Kind,
    Line,
    LineDiscount,
    Party,
    Settlement,
    Tax,
)
from perennial.documents.load_credit_note import credited
from perennial.domain.calendar import to_wall
from perennial.domain.errors import NotFound
from perennial.domain.pricing import pricing_model
from perennial.domain.tax import TaxCategory

_UTC = "UTC"
_PARTY = tuple(field.name for field in fields(Party))
_NOBODY = Party("Perennial")
_DAY = timedelta(days=1)


def invoice_document(session: Session, invoice: str) -> Document:
    """By id or number.

    Raises:
        NotFound: there is none.
    """
    row = session.scalar(select(Invoice).where((Invoice.id == invoice) | (Invoice.number == invoice)))
    if row is None:
        raise NotFound("invoice", invoice)
    parties = _Parties(session, row)
    issued, closed = parties.day(row.issued_at), row.closed_at
    zone = _service_zone(session, row.subscription_id, parties)
    wanted = select(InvoiceLine).where(InvoiceLine.invoice_id == row.id).order_by(InvoiceLine.position)
    of = select(InvoiceTax).where(InvoiceTax.invoice_id == row.id).order_by(InvoiceTax.position)
    taxes = session.scalars(of).all()
    at = {tax.position: n for n, tax in enumerate(taxes)}
    return Document(
        **parties.shared(row),
        kind=Kind.INVOICE,
        issued=issued,
        due=parties.day(row.due_at) if row.due_at else issued,
        days=days_between(row.period_start, row.period_end, zone),
        lines=tuple(_line(line, at, zone) for line in session.scalars(wanted)),
        taxes=tuple(tax_of(tax, tax.base, tax.amount) for tax in taxes),
        discounts=tuple(Discount(each["coupon"], each["amount"], each.get("unused", 0)) for each in row.discounts),
        subtotal=row.subtotal,
        discount=row.discount,
        credit_applied=row.credit_applied,
        amount_due=row.amount_due,
        settlement=Settlement(row.status, row.due_at is not None, parties.day(closed) if closed else None),
    )


def credit_note_document(session: Session, credit_note: str) -> Document:
    """By id or number.

    Raises:
        NotFound: there is none.
    """
    row = session.scalar(select(CreditNote).where((CreditNote.id == credit_note) | (CreditNote.number == credit_note)))
    if row is None:
        raise NotFound("credit note", credit_note)
    parties = _Parties(session, row)
    zone = _service_zone(session, row.subscription_id, parties)
    parts = credited(session, row)
    return Document(
        **parties.shared(row),
        kind=Kind.CREDIT_NOTE,
        issued=parties.day(row.issued_at),
        lines=tuple(part.line(days_between(part.start, part.end, zone)) for part in parts.lines),
        taxes=parts.taxes,
        subtotal=sum(part.amount for part in parts.lines),
        discount=0,
        credit_applied=0,
        amount_due=row.total,
        settlement=Settlement("issued", refunded=row.refunded, credited=row.credited),
        corrects=parts.corrects(parties.day),
    )


class _Parties:
    """Who sells and who buys, in which language and zones."""

    def __init__(self, session: Session, row: Invoice | CreditNote) -> None:
        buyer: Mapping[str, Any] = row.buyer
        if not buyer:
            customer = session.get_one(Customer, row.customer_id)
            buyer = {name: getattr(customer, name, None) for name in (*_PARTY, "locale", "timezone")}
        seller: Mapping[str, Any] = row.seller
        self.buyer = _party(buyer)
        self.seller = _party(seller) if seller else _NOBODY
        self.footer: str | None = seller.get("footer")
        self.logo = session.scalar(select(Seller.logo)) if seller else None
        self.locale: str = buyer.get("locale") or "en"
        self.buyer_zone: str = buyer.get("timezone") or _UTC
        self._zone: str = seller.get("timezone") or _UTC

    def day(self, instant: datetime) -> date:
        """The civil date where the seller is."""
        return to_wall(instant, self._zone).date()

    def shared(self, row: Invoice | CreditNote) -> dict[str, Any]:
        return {
            "id": row.id,
            "number": row.number or row.id,
            "seller": self.seller,
            "buyer": self.buyer,
            "currency": row.currency,
            "net": row.net,
            "tax": row.tax,
            "total": row.total,
            "memo": row.memo,
            "footer": self.footer,
            "locale": self.locale,
            "logo": self.logo,
        }


def _party(known: Mapping[str, Any]) -> Party:
    return Party(**{name: known.get(name) for name in _PARTY} | {"name": known.get("name") or ""})


def _service_zone(session: Session, subscription: str | None, parties: _Parties) -> str:
    """Whose days the periods are."""
    found = session.scalar(select(Subscription.timezone).where(Subscription.id == subscription))
    return found or parties.buyer_zone


def _line(row: InvoiceLine, at: Mapping[int, int], zone: str) -> Line:
    return Line(
        description=row.description,
        quantity=row.quantity,
        amount=row.amount,
        net=row.net,
        tax=row.tax,
        taxes=tuple(at[part["position"]] for part in row.taxes),
        days=days_between(row.period_start, row.period_end, zone),
        price=pricing_model(row.price) if row.price else None,
        discounts=_discounts(row.discounts, row.discount),
        tax_inclusive=row.tax_inclusive,
    )


def _discounts(parts: Iterable[Mapping[str, Any]], whole: int) -> tuple[LineDiscount, ...]:
    named = tuple(LineDiscount(part["coupon"], part["amount"]) for part in parts)
    left = whole - sum(part.amount for part in named)
    return (*named, LineDiscount("", left)) if left else named


def tax_of(row: InvoiceTax, base: int, amount: int) -> Tax:
    return Tax(row.name, row.jurisdiction, row.percent, TaxCategory(row.category), base, amount, row.reason)


def days_between(start: datetime, end: datetime, zone: str) -> Days | None:
    """The civil days of a period. The day on which it ends is the next period's, unless it began on it, too."""
    if end <= start:
        return None
    first, beyond = to_wall(start, zone).date(), to_wall(end, zone).date()
    return Days(first, max(first, beyond - _DAY))
