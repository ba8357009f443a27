"""`perennial messages`: the local mailbox, and what still waits in the outbox."""

from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, instant, of
from perennial.cli.session import run
from perennial.db.models import MailboxMessage, OutboxMessage
from perennial.domain.errors import NotFound
from perennial.engine import pages

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Delivered messages.")

_MESSAGES = (
    Column("ID", lambda row: f"msg_{row.id}"),
    Column("Kind", of("kind")),
    Column("Channel", of("channel")),
    Column("To", of("recipient")),
    Column("Subject", of("subject")),
    Column("Delivered", at("delivered_at")),
)
_WAITING = (
    Column("Key", of("key")),
    Column("Kind", of("kind")),
    Column("Channel", of("channel")),
    Column("Customer", of("customer_id")),
    Column("Attempts", of("attempts"), right=True),
    Column("Next attempt", at("next_attempt_at")),
    Column("Last error", of("last_error")),
)


@app.command("list")
def list_messages(
    customer: Annotated[str | None, typer.Option(help="Only those to this customer.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, for example receipt.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="What has not been delivered yet.")] = False,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"customer_id": customer, "kind": kind}
    if waiting:
        rows = run(lambda engine: engine.read(lambda session: _undelivered(session, customer, kind, limit)))
        output.show_list("Waiting messages", _WAITING, rows, as_json=as_json)
        return
    page = run(lambda engine: pages.page(engine, MailboxMessage, after=after, limit=limit, filters=filters))
    output.show_list("Messages", _MESSAGES, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(message: Annotated[str, typer.Argument(help="msg_...")], as_json: Json = False) -> None:
    """A message as it was delivered."""

    def read(session: Session) -> MailboxMessage:
        number = message.removeprefix("msg_")
        row = session.get(MailboxMessage, int(number)) if number.isdecimal() and len(number) < 18 else None  # noqa: PLR2004 - a bigint
        if row is None:
            raise NotFound("message", message)
        return row

    row = run(lambda engine: engine.read(read))
    if as_json:
        output.print_json(row)
        return
    output.show_record(
        {
            "ID": f"msg_{row.id}",
            "Kind": row.kind,
            "To": output.word(row.recipient),
            "Subject": output.word(row.subject),
            "Delivered": instant(row.delivered_at),
        }
    )
    typer.echo(f"\n{row.body}")


def _undelivered(session: Session, customer: str | None, kind: str | None, limit: int) -> list[OutboxMessage]:
    statement = (
        select(OutboxMessage).where(OutboxMessage.delivered_at.is_(None)).order_by(OutboxMessage.id).limit(limit)
    )
    if customer:
        statement = statement.where(OutboxMessage.customer_id == customer)
    if kind:
        statement = statement.where(OutboxMessage.kind == kind)
    return list(session.scalars(statement))
