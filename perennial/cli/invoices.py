"""`perennial invoices`: what was asked for, and what became of it."""

from dataclasses import dataclass
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import invoice_files, output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, instant, money, of, status
from perennial.cli.session import run
from perennial.db.models import CreditNote, Invoice, InvoiceLine, PaymentAttempt
from perennial.domain.errors import NotFound
from perennial.domain.money import Money
from perennial.engine import pages

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Invoices.")
invoice_files.register(app)

_INVOICES = (
    Column("ID", of("id")),
    Column("Number", of("number")),
    Column("Customer", of("customer_id")),
    Column("For", lambda row: row.subscription_id or row.gift_id or ""),
    Column("Reason", of("reason")),
    Column("Issued", at("issued_at")),
    Column("Total", money("total"), right=True),
    Column("Due", money("amount_due"), right=True),
    Column("Status", status()),
)
_LINES = (
    Column("Line", of("description")),
    Column("Quantity", of("quantity"), right=True),
    Column("Amount", of("amount"), right=True),
    Column("Discount", of("discount"), right=True),
    Column("From", at("period_start")),
    Column("To", at("period_end")),
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
class _Whole:
    invoice: Invoice
    lines: list[InvoiceLine]
    payments: list[PaymentAttempt]
    credit_notes: list[CreditNote]


@app.command("list")
def list_invoices(
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Only those of this subscription.")] = None,
    wanted: Annotated[str | None, typer.Option("--status", help="Only open, paid, void or uncollectible ones.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"customer_id": customer, "subscription_id": subscription, "status": wanted}
    page = run(lambda engine: pages.page(engine, Invoice, after=after, limit=limit, filters=filters))
    output.show_list("Invoices", _INVOICES, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(invoice: Annotated[str, typer.Argument(help="inv_... or its number")], as_json: Json = False) -> None:
    """An invoice with its lines, the attempts to collect it and what corrected it."""
    found = run(lambda engine: engine.read(lambda session: _load(session, invoice)))
    if as_json:
        whole = output.plain(found.invoice) | {"lines": found.lines, "payments": found.payments}
        output.print_json(whole | {"credit_notes": found.credit_notes})
        return
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
            "Period": f"{instant(row.period_start)} to {instant(row.period_end)}",
            "Discount": amount(row.discount),
            "Total": str(Money(row.total, row.currency)),
            "From credit": amount(row.credit_applied),
            "Due": str(Money(row.amount_due, row.currency)),
        }
    )
    output.show_table(f"Lines ({row.currency}, minor units)", _LINES, found.lines)
    output.show_table("Payments", ATTEMPTS, found.payments)
    if found.credit_notes:
        output.show_table("Credit notes", _NOTES, found.credit_notes)


def _load(session: Session, name: str) -> _Whole:
    invoice = session.scalar(select(Invoice).where((Invoice.id == name) | (Invoice.number == name)))
    if invoice is None:
        raise NotFound("invoice", name)
    lines = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).order_by(InvoiceLine.position)
    attempts = select(PaymentAttempt).where(PaymentAttempt.invoice_id == invoice.id).order_by(PaymentAttempt.n)
    notes = select(CreditNote).where(CreditNote.invoice_id == invoice.id).order_by(CreditNote.number)
    return _Whole(invoice, list(session.scalars(lines)), list(session.scalars(attempts)), list(session.scalars(notes)))
