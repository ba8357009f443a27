"""Invoices: issued once per business key, numbered without a gap, closed once."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import Invoice, InvoiceLine, InvoiceTax
from perennial.db.repositories import corrections, credit_notes, credits, ledger, numbers, records
from perennial.db.repositories.assessments import Assessed, assess_draft, worth
from perennial.db.repositories.statuses import OPEN, PAID, VOID
from perennial.db.tables import table_of
from perennial.domain import keys
from perennial.domain.assessment import AssessedLine
from perennial.domain.ledger import invoice_issued, invoice_voided, invoice_written_off
from perennial.domain.pricing import pricing_data
from perennial.domain.subscription.effects import Credit, InvoiceDraft, Message, Paper
from perennial.ports import TaxCalculator


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
    number: str | None = None

    @property
    def paper(self) -> Paper:
        return Paper(self.number, self.total, self.amount_due)


_invoices = table_of(Invoice)
_FIND = select(*(_invoices.c[name] for name in IssuedInvoice.__slots__)).where(_invoices.c.key == bindparam("key"))
_FIND_LOCKED = _FIND.with_for_update()
_ISSUE = insert(_invoices)
_WRITE_LINES = insert(table_of(InvoiceLine))
_WRITE_TAXES = insert(table_of(InvoiceTax))
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


def issue(
    session: Session, subject: Subject, draft: InvoiceDraft, as_of: datetime, calculator: TaxCalculator
) -> IssuedInvoice | None:
    """The invoice of a new business key, posted and numbered. What is nothing, or paid from credit, is paid at once.

    None when the draft has no line and nothing was used: nobody wants an empty invoice.
    """
    invoice_id = keys.invoice_id(draft.key)
    assessed = assess_draft(session, calculator, subject, draft, as_of, issuing=invoice_id)
    if assessed.is_empty:
        return None
    if assessed.surplus:
        credit_notes.issue(session, subject, surplus_of(draft, assessed), as_of)
    total = assessed.result.total
    credit = credits.use(session, subject.customer_id, draft.currency, total, as_of, invoice_id)
    due = total - credit
    invoice = IssuedInvoice(
        id=invoice_id,
        key=draft.key,
        customer_id=subject.customer_id,
        subscription_id=subject.subscription_id,
        currency=draft.currency,
        total=total,
        amount_due=due,
        credit_applied=credit,
        status=OPEN if due else PAID,
        issued_at=as_of,
        closed_at=None if due else as_of,
    )
    posting = invoice_issued(
        draft.key,
        invoice.id,
        draft.currency,
        subject.customer_id,
        due=due,
        credit=credit,
        worth=worth(assessed.result, as_of),
    )
    ledger.post(session, posting, as_of)
    invoice = replace(invoice, number=numbers.take(session, numbers.INVOICE, assessed.parties.numbering, as_of))
    session.execute(_ISSUE, _row(invoice, subject, draft, assessed))
    _write_parts(session, invoice.id, assessed)
    if draft.due_at:
        _tell_that_it_is_sent(session, invoice)
    return invoice


def _tell_that_it_is_sent(session: Session, invoice: IssuedInvoice) -> None:
    data = {"invoice": invoice.id, "amount": str(invoice.amount_due), "currency": invoice.currency}
    message = Message(keys.notify("invoice_issued", invoice.key), "invoice_issued", data)
    records.write_messages(
        session,
        (message,),
        invoice.issued_at,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
    )


def surplus_of(draft: InvoiceDraft, assessed: Assessed) -> Credit:
    """The credit note that stands in for credit lines which are worth more than the rest of the invoice."""
    key = keys.surplus(draft.key)
    return Credit(key, "plan_change", draft.currency, assessed.corrects, assessed.surplus, refund=False, recurring=True)


def _row(invoice: IssuedInvoice, subject: Subject, draft: InvoiceDraft, assessed: Assessed) -> dict[str, Any]:
    result, parties = assessed.result, assessed.parties
    return {
        "id": invoice.id,
        "key": invoice.key,
        "number": invoice.number,
        "subscription_id": subject.subscription_id,
        "gift_id": subject.gift_id,
        "customer_id": subject.customer_id,
        "reason": draft.reason,
        "period_no": draft.period_no,
        "period_start": draft.period.start,
        "period_end": draft.period.end,
        "currency": draft.currency,
        "subtotal": result.subtotal,
        "discount": result.discount,
        "net": result.net,
        "tax": result.tax,
        "total": invoice.total,
        "credit_applied": invoice.credit_applied,
        "amount_due": invoice.amount_due,
        "status": invoice.status,
        "issued_at": invoice.issued_at,
        "due_at": draft.due_at,
        "closed_at": invoice.closed_at,
        "discounts": [asdict(each) for each in assessed.discounts],
        "buyer": parties.buyer,
        "seller": parties.seller,
        "memo": draft.memo,
    }


def _write_parts(session: Session, invoice_id: str, assessed: Assessed) -> None:
    session.execute(_WRITE_LINES, [_line(invoice_id, n, each) for n, each in enumerate(assessed.result.lines)])
    if assessed.result.taxes:
        session.execute(
            _WRITE_TAXES,
            [
                {
                    "invoice_id": invoice_id,
                    "position": position,
                    "jurisdiction": each.rate.jurisdiction,
                    "name": each.rate.name,
                    "percent": each.rate.percent,
                    "category": each.rate.category.value,
                    "reason": each.rate.reason,
                    "base": each.base,
                    "amount": each.amount,
                }
                for position, each in enumerate(assessed.result.taxes)
            ],
        )
    corrections.record(session, invoice_id, assessed.parts)


def _line(invoice_id: str, position: int, each: AssessedLine) -> dict[str, Any]:
    line = each.line
    return {
        "invoice_id": invoice_id,
        "position": position,
        "kind": line.kind.value,
        "description": line.description,
        "quantity": line.quantity,
        "amount": line.amount,
        "discount": line.discount,
        "net": each.net,
        "tax": each.tax,
        "period_start": line.period.start,
        "period_end": line.period.end,
        "code": line.code,
        "price": pricing_data(line.price) if line.price else None,
        "tax_inclusive": line.tax_inclusive,
        "discounts": [asdict(part) for part in line.discounts],
        "taxes": [{"position": tax, "amount": amount} for tax, amount in each.taxes],
    }


def mark_paid(session: Session, invoice: str, at: datetime) -> bool:
    """False if the invoice is no longer open."""
    return _close(session, invoice, PAID, at)


def give_up(session: Session, invoice: IssuedInvoice, status: str, at: datetime) -> None:
    """Void (as if never issued) or uncollectible (a loss), with its posting."""
    if not _close(session, invoice.id, status, at):
        return
    if status == VOID:
        posting = invoice_voided(
            invoice.key, invoice.id, invoice.currency, ledger.entries_of(session, f"issue:{invoice.key}")
        )
        credits.give_back(session, invoice.customer_id, invoice.currency, invoice.credit_applied, invoice.id, at)
    else:
        posting = invoice_written_off(invoice.key, invoice.id, invoice.currency, invoice.amount_due)
    ledger.post(session, posting, at)


def _close(session: Session, invoice: str, status: str, at: datetime) -> bool:
    return session.execute(_CLOSE, {"invoice": invoice, "closed_as": status, "at": at}).first() is not None
