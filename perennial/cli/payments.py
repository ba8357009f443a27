"""`perennial payments`: every attempt to collect, the refunds of it, and what cardholders contest."""

from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, instant, money, of, status
from perennial.cli.session import run
from perennial.db.models import Dispute, PaymentAttempt, Refund
from perennial.domain.disputes import DisputeStatus
from perennial.domain.errors import NotFound
from perennial.domain.money import Money
from perennial.engine import disputes, pages
from perennial.engine.context import Engine

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Payments and refunds.")

_PAYMENTS = (
    Column("ID", of("id")),
    Column("Invoice", of("invoice_id")),
    Column("N", of("n"), right=True),
    Column("Customer", of("customer_id")),
    Column("Amount", money("amount"), right=True),
    Column("Status", status()),
    Column("Decline", of("decline_code")),
    Column("Trigger", of("trigger")),
    Column("Started", at("started_at")),
)
_REFUNDS = (
    Column("ID", of("id")),
    Column("Credit note", of("credit_note_id")),
    Column("Amount", money("amount"), right=True),
    Column("Status", status()),
    Column("Created", at("created_at")),
)
_DISPUTES = (
    Column("ID", of("id")),
    Column("Invoice", of("invoice_id")),
    Column("Customer", of("customer_id")),
    Column("Amount", money("amount"), right=True),
    Column("Status", status()),
    Column("Reason", of("reason")),
    Column("Opened", at("opened_at")),
    Column("Decided", at("closed_at")),
)


@app.command("list")
def list_payments(
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    invoice: Annotated[str | None, typer.Option(help="Only those at this invoice.")] = None,
    wanted: Annotated[
        str | None,
        typer.Option("--status", help="pending, succeeded, declined, requires_action, processing, canceled."),
    ] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"customer_id": customer, "invoice_id": invoice, "status": wanted}
    page = run(lambda engine: pages.page(engine, PaymentAttempt, after=after, limit=limit, filters=filters))
    output.show_list("Payments", _PAYMENTS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(payment: Annotated[str, typer.Argument(help="pay_...")], as_json: Json = False) -> None:
    """An attempt with its refunds."""

    def read(session: Session) -> tuple[PaymentAttempt, list[Refund]]:
        row = session.get(PaymentAttempt, payment)
        if row is None:
            raise NotFound("payment", payment)
        refunds = select(Refund).where(Refund.attempt_id == payment).order_by(Refund.created_at)
        return row, list(session.scalars(refunds))

    row, refunds = run(lambda engine: engine.read(read))
    if as_json:
        output.print_json(output.plain(row) | {"refunds": refunds})
        return
    output.show_record(
        {
            "ID": row.id,
            "Status": f"{row.status} {row.decline_code or ''}",
            "Invoice": f"{row.invoice_id}, attempt {row.n} ({row.trigger})",
            "Customer": row.customer_id,
            "Amount": str(Money(row.amount, row.currency)),
            "Payment method": row.payment_method_id or "none",
            "Gateway": f"{row.gateway} {row.gateway_ref or ''}",
            "Key": row.key,
            "Action": row.action_url or "",
            "Started": instant(row.started_at),
            "Finished": instant(row.finished_at),
        }
    )
    if refunds:
        output.show_table("Refunds", _REFUNDS, refunds)


@app.command("disputes")
def list_disputes(
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    invoice: Annotated[str | None, typer.Option(help="Only those of this invoice.")] = None,
    wanted: Annotated[DisputeStatus | None, typer.Option("--status")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Charges that cardholders contest, newest first."""
    filters = {"customer_id": customer, "invoice_id": invoice, "status": wanted}
    page = run(lambda engine: pages.page(engine, Dispute, after=after, limit=limit, filters=filters))
    output.show_list("Disputes", _DISPUTES, page.items, as_json=as_json, next_page=page.next)


@app.command("dispute")
def simulate_dispute(
    payment: Annotated[str, typer.Argument(help="pay_...")],
    outcome: Annotated[
        DisputeStatus, typer.Option(help="What the bank says; open: the cardholder contests the charge.")
    ] = DisputeStatus.OPEN,
    reason: Annotated[str, typer.Option(help="The cardholder's.")] = "fraudulent",
    as_json: Json = False,
) -> None:
    """At the simulator alone: dispute a charge, or decide its dispute. The relay brings the news."""

    async def work(engine: Engine) -> dict[str, str]:
        ref = await disputes.simulate(engine, payment, outcome, reason)
        return {"payment": payment, "gateway_ref": ref, "outcome": outcome.value}

    done = run(work)
    if as_json:
        output.print_json(done)
    else:
        typer.echo(f"{done['gateway_ref']}  {done['outcome']}")
