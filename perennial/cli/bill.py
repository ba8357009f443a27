"""`perennial bill CUSTOMER`: bill what is due now, and say what is owed."""

from dataclasses import dataclass
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, at, money, of, status
from perennial.cli.session import run
from perennial.db.models import Invoice, Subscription
from perennial.engine import customers
from perennial.engine.context import Engine
from perennial.support.nudge import Nudged, nudge

app = typer.Typer(add_completion=False)

_NUDGED = (
    Column("Subscription", of("subscription")),
    Column("Plan", of("plan")),
    Column("Done", of("did")),
    Column("Status", status()),
)
_OWED = (
    Column("ID", of("id")),
    Column("Number", of("number")),
    Column("Subscription", of("subscription_id")),
    Column("Issued", at("issued_at")),
    Column("Due", money("amount_due"), right=True),
)


@dataclass(frozen=True, slots=True)
class Billed:
    customer: str
    subscriptions: list[Nudged]
    owed: list[Invoice]


@app.command()
def bill(customer: Annotated[str, typer.Argument(help="cus_...")], as_json: Json = False) -> None:
    """Bill what is due now: act on what is overdue, try open invoices again, show what is still owed.

    A card that was refused for good, or that waits for its holder, is not tried again: see
    `perennial subscriptions retry-payment`.
    """
    billed = run(lambda engine: _bill(engine, customer))
    if as_json:
        output.print_json(billed)
        return
    output.show_table("Subscriptions", _NUDGED, billed.subscriptions)
    output.show_table("Owed", _OWED, billed.owed)


async def _bill(engine: Engine, customer: str) -> Billed:
    live = await engine.read(lambda session: _live(session, customer))
    nudged = [await nudge(engine, subscription) for subscription in live]
    return Billed(customer, nudged, await engine.read(lambda session: _owed(session, customer)))


def _live(session: Session, customer: str) -> list[str]:
    customers.require(session, customer)
    held = select(Subscription.id).where(Subscription.customer_id == customer, Subscription.ended_at.is_(None))
    return list(session.scalars(held.order_by(Subscription.created_at, Subscription.id)))


def _owed(session: Session, customer: str) -> list[Invoice]:
    owed = select(Invoice).where(Invoice.customer_id == customer, Invoice.status == "open")
    return list(session.scalars(owed.order_by(Invoice.issued_at, Invoice.id)))
