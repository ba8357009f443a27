"""Invoices: issued once per business key, numbered without a gap, closed once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import Invoice, InvoiceLine
from perennial.db.repositories import ledger
from perennial.db.tables import table_of
from perennial.domain import keys
from perennial.domain.ledger import invoice_issued, invoice_voided, invoice_written_off
from perennial.domain.subscription.effects import InvoiceDraft

OPEN, PAID, VOID, UNCOLLECTIBLE = "open", "paid", "void", "uncollectible"

# Taken as the last thing a transaction waits for, and given back by a rollback: numbers have no gap.
_TAKE_NUMBER = text(
    "UPDATE number_series SET next_number = next_number + 1 WHERE name = :series RETURNING next_number - 1"
)


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """What collecting an invoice needs to know of it. Amounts in minor units."""

    id: str
    key: str
    customer_id: str
    subscription_id: str | None
    currency: str
    total: int
    amount_due: int
    credit_applied: int
    status: str
    issued_at: datetime
    closed_at: datetime | None


_invoices = table_of(Invoice)
_FIND = select(*(_invoices.c[name] for name in IssuedInvoice.__slots__)).where(_invoices.c.key == bindparam("key"))
_FIND_LOCKED = _FIND.with_for_update()
_ISSUE = insert(_invoices)
_WRITE_LINES = insert(table_of(InvoiceLine))
_CLOSE = (
    update(_invoices)
    .where(_invoices.c.id == bindparam("invoice"), _invoices.c.status == OPEN)
    .values(status=bindparam("closed_as"), closed_at=bindparam("at"))
    .returning(_invoices.c.id)
)


def find(session: Session, key: str, *, lock: bool = False) -> IssuedInvoice | None:
    """The invoice with this business key; `lock` holds it until the transaction ends."""
    row = session.execute(_FIND_LOCKED if lock else _FIND, {"key": key}).one_or_none()
    return IssuedInvoice(*row) if row else None


def get(session: Session, key: str, *, lock: bool = False) -> IssuedInvoice:
    invoice = find(session, key, lock=lock)
    if invoice is None:
        msg = f"no invoice {key}"
        raise LookupError(msg)
    return invoice


def issue(session: Session, subject: Subject, draft: InvoiceDraft, as_of: datetime) -> IssuedInvoice:
    """The invoice of a new business key, posted and numbered. What is nothing, or paid from credit, is paid at once."""
    credit = min(ledger.lock_credit(session, subject.customer_id, draft.currency), draft.total)
    due = draft.total - credit
    ledger.use_credit(session, subject.customer_id, draft.currency, credit)
    invoice = IssuedInvoice(
        id=keys.document_id("inv", draft.key),
        key=draft.key,
        customer_id=subject.customer_id,
        subscription_id=subject.subscription_id,
        currency=draft.currency,
        total=draft.total,
        amount_due=due,
        credit_applied=credit,
        status=OPEN if due else PAID,
        issued_at=as_of,
        closed_at=None if due else as_of,
    )
    posting = invoice_issued(draft.key, invoice.id, draft.currency, subject.customer_id, due=due, credit=credit)
    ledger.post(session, posting, as_of)
    session.execute(
        _ISSUE,
        {
            "id": invoice.id,
            "key": invoice.key,
            "number": take_number(session, "invoice", "INV"),
            "subscription_id": subject.subscription_id,
            "gift_id": subject.gift_id,
            "customer_id": subject.customer_id,
            "reason": draft.reason,
            "period_no": draft.period_no,
            "period_start": draft.period.start,
            "period_end": draft.period.end,
            "currency": draft.currency,
            "subtotal": draft.subtotal,
            "discount": draft.discount,
            "total": draft.total,
            "credit_applied": credit,
            "amount_due": due,
            "status": invoice.status,
            "issued_at": as_of,
            "closed_at": invoice.closed_at,
        },
    )
    session.execute(
        _WRITE_LINES,
        [
            {
                "invoice_id": invoice.id,
                "position": position,
                "kind": line.kind.value,
                "description": line.description,
                "quantity": line.quantity,
                "amount": line.amount,
                "discount": line.discount,
                "period_start": line.period.start,
                "period_end": line.period.end,
            }
            for position, line in enumerate(draft.lines)
        ],
    )
    return invoice


def take_number(session: Session, series: str, prefix: str) -> str:
    number: int = session.execute(_TAKE_NUMBER, {"series": series}).scalar_one()
    return f"{prefix}-{number:06d}"


def mark_paid(session: Session, invoice: str, at: datetime) -> bool:
    """False if the invoice is no longer open."""
    return _close(session, invoice, PAID, at)


def give_up(session: Session, invoice: IssuedInvoice, status: str, at: datetime) -> None:
    """Void (as if never issued) or uncollectible (a loss), with its posting."""
    if not _close(session, invoice.id, status, at):
        return
    if status == VOID:
        posting = invoice_voided(
            invoice.key,
            invoice.id,
            invoice.currency,
            invoice.customer_id,
            due=invoice.amount_due,
            credit=invoice.credit_applied,
        )
        ledger.add_credit(session, invoice.customer_id, invoice.currency, invoice.credit_applied)
    else:
        posting = invoice_written_off(invoice.key, invoice.id, invoice.currency, invoice.amount_due)
    ledger.post(session, posting, at)


def _close(session: Session, invoice: str, status: str, at: datetime) -> bool:
    return session.execute(_CLOSE, {"invoice": invoice, "closed_as": status, "at": at}).first() is not None
