"""How one invoice is shown: as it was issued, or the draft that it still is."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.output import Column, at, instant, money, of, status
from perennial.db.models import CreditNote, Invoice, InvoiceLine, OneOffInvoice, PaymentAttempt
from perennial.db.repositories.drafts import DELETED
from perennial.domain.errors import NotFound
from perennial.domain.money import Money
from perennial.engine import drafts
from perennial.engine.context import Engine
from perennial.engine.drafts import DraftView

_LINES = (
    Column("N", of("position"), right=True),
    Column("Line", of("description")),
    Column("Quantity", of("quantity"), right=True),
    Column("Amount", of("amount"), right=True),
    Column("Discount", of("discount"), right=True),
    Column("Net", of("net"), right=True),
    Column("Tax", of("tax"), right=True),
    Column("From", at("period_start")),
    Column("To", at("period_end")),
)
_DRAFT_LINES = (
    Column("Line", lambda row: output.word(row.line.description)),
    Column("Quantity", lambda row: output.word(row.line.quantity), right=True),
    Column("Amount", lambda row: output.word(row.line.amount), right=True),
    Column("Net", of("net"), right=True),
    Column("Tax", of("tax"), right=True),
)
ATTEMPTS = (
    Column("ID", of("id")),
    Column("N", of("n"), right=True),
    Column("Trigger", of("trigger")),
    Column("Amount", money("amount"), right=True),
    Column("Status", status()),
    Column("Decline", of("decline_code")),
    Column("Started", at("started_at")),
)
_NOTES = (
    Column("ID", of("id")),
    Column("Number", of("number")),
    Column("Total", money("total"), right=True),
    Column("Refunded", money("refunded"), right=True),
    Column("To the balance", money("credited"), right=True),
    Column("Issued", at("issued_at")),
)


@dataclass(frozen=True, slots=True)
class Whole:
    invoice: Invoice
    lines: list[InvoiceLine]
    payments: list[PaymentAttempt]
    credit_notes: list[CreditNote]


def load(engine: Engine, session: Session, name: str) -> Whole | DraftView:
    """By id or number.

    Raises:
        NotFound: there is neither an invoice nor a draft.
    """
    invoice = session.scalar(select(Invoice).where((Invoice.id == name) | (Invoice.number == name)))
    if invoice is None:
        row = session.get(OneOffInvoice, name)
        if row is None or row.status == DELETED:
            raise NotFound("invoice", name)
        return drafts.view(engine, session, row)
    lines = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).order_by(InvoiceLine.position)
    attempts = select(PaymentAttempt).where(PaymentAttempt.invoice_id == invoice.id).order_by(PaymentAttempt.n)
    notes = select(CreditNote).where(CreditNote.invoice_id == invoice.id).order_by(CreditNote.number)
    return Whole(invoice, list(session.scalars(lines)), list(session.scalars(attempts)), list(session.scalars(notes)))


def show(found: Whole | DraftView, *, as_json: bool) -> None:
    if isinstance(found, DraftView):
        _show_draft(found, as_json=as_json)
    elif as_json:
        whole = output.plain(found.invoice) | {"lines": found.lines, "payments": found.payments}
        output.print_json(whole | {"credit_notes": found.credit_notes})
    else:
        _show_whole(found)


def _show_whole(found: Whole) -> None:
    row = found.invoice

    def amount(minor: int) -> str:
        return str(Money(minor, row.currency)) if minor else ""

    output.show_record(
        {
            "ID": row.id,
            "Number": row.number or "",
            "Status": f"{row.status} {instant(row.closed_at)}",
            "Customer": row.customer_id,
            "For": row.subscription_id or row.gift_id or "",
            "Reason": row.reason,
            "Issued": instant(row.issued_at),
            "Due by": instant(row.due_at),
            "Period": f"{instant(row.period_start)} to {instant(row.period_end)}",
            "Discount": amount(row.discount),
            "Net": amount(row.net) if row.tax else "",
            "Tax": amount(row.tax),
            "Total": str(Money(row.total, row.currency)),
            "From credit": amount(row.credit_applied),
            "Due": str(Money(row.amount_due, row.currency)),
            "Memo": output.word(row.memo),
        }
    )
    output.show_table(f"Lines ({row.currency}, minor units)", _LINES, found.lines)
    output.show_table("Payments", ATTEMPTS, found.payments)
    if found.credit_notes:
        output.show_table("Credit notes", _NOTES, found.credit_notes)


def _show_draft(found: DraftView, *, as_json: bool) -> None:
    row, result = found.row, found.assessed.result
    sums = {
        "net": result.net,
        "tax": result.tax,
        "total": result.total,
        "amount_due": result.total - found.credit_applied,
    }
    if as_json:
        output.print_json(output.plain(row) | sums | {"due_at": found.due_at})
        return
    output.show_record(
        {
            "ID": row.id,
            "Status": "draft",
            "Customer": row.customer_id,
            "To be": f"sent, due by {instant(found.due_at)}" if found.due_at else "charged",
            "Net": str(Money(result.net, row.currency)) if result.tax else "",
            "Tax": str(Money(result.tax, row.currency)) if result.tax else "",
            "Total": str(Money(result.total, row.currency)),
            "Due": str(Money(sums["amount_due"], row.currency)),
            "Memo": output.word(row.memo),
        }
    )
    output.show_table(f"Lines ({row.currency}, minor units)", _DRAFT_LINES, result.lines)
