"""`perennial invoices`: what was asked for, and what became of it."""

from typing import Annotated

import typer

from perennial.cli import invoice_commands, invoice_files, invoice_view, output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, money, of, status
from perennial.cli.session import run
from perennial.db.models import Invoice, OneOffInvoice
from perennial.db.repositories.drafts import DRAFT
from perennial.engine import pages

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Invoices.")
invoice_commands.register(app)
invoice_files.register(app)

_DRAFTS = (
    Column("ID", of("id")),
    Column("Customer", of("customer_id")),
    Column("Currency", of("currency")),
    Column("Lines", lambda row: str(len(row.lines)), right=True),
    Column("Collect", of("collect")),
    Column("Created", at("created_at")),
)
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


@app.command("list")
def list_invoices(
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Only those of this subscription.")] = None,
    wanted: Annotated[
        str | None, typer.Option("--status", help="Only draft, open, paid, void or uncollectible ones.")
    ] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first. Drafts are listed by `--status draft` alone."""
    if wanted == DRAFT:
        filters = {"customer_id": customer, "status": DRAFT if subscription is None else ""}
        found = run(lambda engine: pages.page(engine, OneOffInvoice, after=after, limit=limit, filters=filters))
        output.show_list("Drafts", _DRAFTS, found.items, as_json=as_json, next_page=found.next)
        return
    filters = {"customer_id": customer, "subscription_id": subscription, "status": wanted}
    page = run(lambda engine: pages.page(engine, Invoice, after=after, limit=limit, filters=filters))
    output.show_list("Invoices", _INVOICES, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(invoice: Annotated[str, typer.Argument(help="inv_... or its number")], as_json: Json = False) -> None:
    """An invoice with its lines, the attempts to collect it and what corrected it; or a draft."""
    found = run(lambda engine: engine.read(lambda session: invoice_view.load(engine, session, invoice)))
    invoice_view.show(found, as_json=as_json)
