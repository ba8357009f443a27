"""`perennial customers`: who pays, and with what."""

import re
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, Timezone
from perennial.cli.output import Column, at, of, status
from perennial.cli.session import run, unusable
from perennial.db.models import CreditBalance, Customer, PaymentMethod, Subscription
from perennial.domain.errors import InvalidInput
from perennial.domain.money import Money
from perennial.engine import customers, pages
from perennial.engine.context import Engine
from perennial.ports import UnknownToken

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Customers and their payment methods.")

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_CUSTOMERS = (
    Column("ID", of("id")),
    Column("Name", of("name")),
    Column("Email", of("email")),
    Column("Time zone", of("timezone")),
    Column("Created", at("created_at")),
)
_METHODS = (
    Column("ID", of("id")),
    Column("Card", lambda row: f"{row.brand} {row.last4}"),
    Column("Expires", lambda row: f"{row.exp_month:02d}/{row.exp_year}"),
    Column("Gateway", of("gateway")),
    Column("Default", of("is_default")),
)
_SUBSCRIPTIONS = (
    Column("ID", of("id")),
    Column("Plan", of("plan_code")),
    Column("Status", status()),
    Column("Period ends", at("period_end")),
)


@app.command("list")
def list_customers(
    email: Annotated[str | None, typer.Option(help="Only those with this address.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    page = run(lambda engine: pages.page(engine, Customer, after=after, limit=limit, filters={"email": email}))
    output.show_list("Customers", _CUSTOMERS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(customer: str, as_json: Json = False) -> None:
    """A customer with payment methods, subscriptions and credit."""
    found = run(lambda engine: _load(engine, customer))
    if as_json:
        output.print_json(found)
        return
    row = found["customer"]
    output.show_record(
        {
            "ID": row.id,
            "Name": output.word(row.name),
            "Email": output.word(row.email),
            "Time zone": row.timezone,
            "Created": output.instant(row.created_at),
            "Credit": ", ".join(str(Money(credit.balance, credit.currency)) for credit in found["credit"]),
        }
    )
    output.show_table("Payment methods", _METHODS, found["payment_methods"])
    output.show_table("Subscriptions", _SUBSCRIPTIONS, found["subscriptions"])


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Full name.")],
    email: Annotated[str, typer.Option(help="Where messages go.")],
    timezone: Timezone = "UTC",
    card: Annotated[
        str | None, typer.Option(help="A gateway's token to attach, for example pm_card_visa.", metavar="TOKEN")
    ] = None,
    as_json: Json = False,
) -> None:
    """A new customer, with a payment method if --card is given."""
    if not name.strip():
        unusable("--name must not be empty")
    if not _ADDRESS.fullmatch(email):
        unusable(f"--email: {email!r} is no address")

    async def work(engine: Engine) -> tuple[Customer, PaymentMethod | None]:
        if card:
            _require_token(engine, card)
        made = await customers.create(engine, name=name, email=email, timezone=timezone or "UTC")
        return made, await customers.attach_payment_method(engine, made.id, card) if card else None

    made, method = run(work)
    if as_json:
        output.print_json({"customer": made, "payment_method": method})
        return
    typer.echo(f"{made.id}  {made.name}")
    if method:
        typer.echo(f"{method.id}  {method.brand} {method.last4}")


@app.command("add-card")
def add_card(
    customer: str,
    token: Annotated[str, typer.Argument(help="A token of the gateway; card numbers are none of our business.")],
    default: Annotated[bool, typer.Option(help="Charge it from now on.")] = True,
    as_json: Json = False,
) -> None:
    """Attach a payment method to a customer."""
    method = run(lambda engine: customers.attach_payment_method(engine, customer, token, default=default))
    if as_json:
        output.print_json(method)
    else:
        typer.echo(f"{method.id}  {method.brand} {method.last4}{'  (default)' if method.is_default else ''}")


def _require_token(engine: Engine, token: str) -> None:
    """Before anything is kept. What was given is not repeated: it may have been a card's number."""
    try:
        engine.gateway.describe_token(token)
    except UnknownToken as error:
        raise InvalidInput("the gateway does not know this payment method", field="card") from error


async def _load(engine: Engine, customer: str) -> dict[str, Any]:
    def read(session: Session) -> dict[str, Any]:
        held = select(Subscription).where(Subscription.customer_id == customer).order_by(Subscription.created_at)
        credit = select(CreditBalance).where(CreditBalance.customer_id == customer, CreditBalance.balance > 0)
        return {
            "customer": customers.require(session, customer),
            "subscriptions": list(session.scalars(held)),
            "credit": list(session.scalars(credit)),
        }

    found = await engine.read(read)
    return found | {"payment_methods": await customers.payment_methods(engine, customer)}
