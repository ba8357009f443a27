"""`perennial credits`: what customers have with us, and what becomes of it."""

from datetime import datetime
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Currency, Json, Limit, RequestId, instant_option
from perennial.cli.output import Column, at, money, of
from perennial.cli.session import run
from perennial.db.models import CreditGrant
from perennial.domain.money import Money
from perennial.engine import credits, customers, pages
from perennial.engine.context import Engine
from perennial.engine.credits import NewGrant
from perennial.ports import Page

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Customers' credit.")

_GRANTS = (
    Column("ID", of("id")),
    Column("Given", at("granted_at")),
    Column("Amount", money("amount"), right=True),
    Column("Left", money("remaining"), right=True),
    Column("Expires", at("expires_at")),
    Column("Expired", money("expired"), right=True),
    Column("Why", of("reason")),
)
_CURRENCIES = (
    Column("Usable", money("amount"), right=True),
    Column("Next expiry", at("next_expiry_at")),
    Column("Of it", money("next_expiry_amount"), right=True),
)
_EXPIRED = (
    Column("Grant", of("grant_id")),
    Column("Customer", of("customer_id")),
    Column("Lost", money("amount"), right=True),
    Column("On", at("at")),
)


@app.command("list")
def list_grants(customer: str, limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """What the customer was given and what is left of it, newest first."""

    async def work(engine: Engine) -> Page[CreditGrant]:
        await customers.get(engine, customer)
        return await pages.page(engine, CreditGrant, after=after, limit=limit, filters={"customer_id": customer})

    page = run(work)
    output.show_list("Credit", _GRANTS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def balance(customer: str, as_json: Json = False) -> None:
    """What the customer's next invoices could use, by currency."""
    found = run(lambda engine: credits.balance(engine, customer))
    if as_json:
        output.print_json(found)
    else:
        output.show_table(f"Credit at {output.instant(found.as_of)}", _CURRENCIES, found.currencies)


@app.command()
def grant(
    customer: str,
    amount: Annotated[int, typer.Argument(min=1, help="In minor units, for example 500.", metavar="MINOR")],
    reason: Annotated[str, typer.Option(help="Why, for those who ask later.")],
    currency: Currency = "USD",
    expires_at: Annotated[datetime | None, instant_option("What is left then is lost (default: never).")] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Give a customer credit, which the next invoices use."""
    new = NewGrant(
        customer_id=customer,
        currency=currency.upper(),
        amount=amount,
        reason=reason,
        expires_at=expires_at,
        request_id=request_id,
    )
    made = run(lambda engine: credits.grant(engine, new))
    if as_json:
        output.print_json(made)
    else:
        typer.echo(f"{made.id}  {Money(made.amount, made.currency)}")


@app.command()
def expire(
    clock: Annotated[str | None, typer.Option(help="Of customers on this test clock.", metavar="CLOCK")] = None,
    as_json: Json = False,
) -> None:
    """Post what has expired by now. What is used later does so by itself; this is for what nobody uses."""
    ended = run(lambda engine: credits.expire(engine, test_clock_id=clock))
    output.show_list("Expired", _EXPIRED, ended, as_json=as_json)
