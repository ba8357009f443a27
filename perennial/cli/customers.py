"""`perennial customers`: who pays, and with what."""

import re
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, Timezone
from perennial.cli.output import Column, at, of, status
from perennial.cli.parties import (
    City,
    Country,
    EvidenceOption,
    Line1,
    Line2,
    PostalCode,
    RegionCode,
    VatNumber,
    evidence_of,
    named,
)
from perennial.cli.session import run, unusable
from perennial.db.models import CreditBalance, Customer, PaymentMethod, Subscription
from perennial.domain.money import Money
from perennial.engine import customers, pages, routing
from perennial.engine.context import Engine

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Customers and their payment methods.")

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
Locale = Annotated[
    str | None, typer.Option(help="BCP 47, for example de-AT: the language of documents.", metavar="TAG")
]
Company = Annotated[str | None, typer.Option(help="Its legal name.", metavar="NAME")]
TaxExempt = Annotated[bool | None, typer.Option(help="Bears no tax.")]
NetDays = Annotated[
    int | None, typer.Option(min=0, max=365, help="Days to pay an invoice that is sent (default: the card is charged).")
]
GroupOption = Annotated[
    str | None, typer.Option("--group", help="Who is treated alike when a payment fails.", metavar="NAME")
]
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
    credit = ", ".join(str(Money(credit.balance, credit.currency)) for credit in found["credit"])
    output.show_record(_record(row) | {"Credit": credit})
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
    locale: Locale = None,
    company: Company = None,
    address_line1: Line1 = None,
    address_line2: Line2 = None,
    postal_code: PostalCode = None,
    city: City = None,
    region: RegionCode = None,
    country: Country = None,
    vat_number: VatNumber = None,
    tax_exempt: TaxExempt = None,
    net_days: NetDays = None,
    group: GroupOption = None,
    evidence: EvidenceOption = None,
    as_json: Json = False,
) -> None:
    """A new customer, with a payment method if --card is given."""
    details = named(
        locale=locale,
        company=company,
        address_line1=address_line1,
        address_line2=address_line2,
        postal_code=postal_code,
        city=city,
        region=region,
        country=country,
        vat_number=vat_number,
        tax_exempt=tax_exempt,
        net_days=net_days,
        customer_group=group,
        location_evidence=evidence_of(evidence),
    )
    if not name.strip():
        unusable("--name must not be empty")
    if not _ADDRESS.fullmatch(email):
        unusable(f"--email: {email!r} is no address")

    async def work(engine: Engine) -> tuple[Customer, PaymentMethod | None]:
        if card:
            _require_token(engine, card)
        made = await customers.create(engine, name=name, email=email, timezone=timezone or "UTC", **details)
        return made, await customers.attach_payment_method(engine, made.id, card) if card else None

    made, method = run(work)
    if as_json:
        output.print_json({"customer": made, "payment_method": method})
        return
    typer.echo(f"{made.id}  {made.name}")
    if method:
        typer.echo(f"{method.id}  {method.brand} {method.last4}")


@app.command()
def update(
    customer: str,
    name: Annotated[str | None, typer.Option(help="Full name.")] = None,
    email: Annotated[str | None, typer.Option(help="Where messages go.")] = None,
    timezone: Timezone = None,
    locale: Locale = None,
    company: Company = None,
    address_line1: Line1 = None,
    address_line2: Line2 = None,
    postal_code: PostalCode = None,
    city: City = None,
    region: RegionCode = None,
    country: Country = None,
    vat_number: VatNumber = None,
    tax_exempt: TaxExempt = None,
    net_days: NetDays = None,
    group: GroupOption = None,
    charge_at_once: Annotated[bool, typer.Option("--charge-at-once", help="No more invoices that are sent.")] = False,
    evidence: EvidenceOption = None,
    as_json: Json = False,
) -> None:
    """Change what is named and leave the rest; an empty text clears."""
    if email and not _ADDRESS.fullmatch(email):
        unusable(f"--email: {email!r} is no address")
    changes = named(
        name=name,
        email=email,
        timezone=timezone,
        locale=locale,
        company=company,
        address_line1=address_line1,
        address_line2=address_line2,
        postal_code=postal_code,
        city=city,
        region=region,
        country=country,
        vat_number=vat_number,
        tax_exempt=tax_exempt,
        net_days=net_days,
        customer_group=group,
        location_evidence=evidence_of(evidence) or None,
    )
    if charge_at_once:
        changes["net_days"] = None
    if not changes:
        unusable("nothing to change: see --help")
    row = run(lambda engine: customers.change(engine, customer, **changes))
    if as_json:
        output.print_json(row)
    else:
        output.show_record(_record(row))


@app.command("add-card")
def add_card(
    customer: str,
    token: Annotated[str, typer.Argument(help="A token of the gateway; card numbers are none of our business.")],
    default: Annotated[bool, typer.Option(help="Charge it from now on.")] = True,
    gateway: Annotated[str | None, typer.Option(help="Whose token it is (default: the first that knows it).")] = None,
    as_json: Json = False,
) -> None:
    """Attach a payment method to a customer."""
    method = run(
        lambda engine: customers.attach_payment_method(engine, customer, token, default=default, gateway=gateway)
    )
    if as_json:
        output.print_json(method)
    else:
        typer.echo(f"{method.id}  {method.brand} {method.last4}{'  (default)' if method.is_default else ''}")


@app.command("add-token")
def add_token(
    customer: str,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="pm_...")],
    gateway: Annotated[str, typer.Argument(help="One more gateway that has this card.")],
    token: Annotated[str, typer.Argument(help="The card's token there.")],
    as_json: Json = False,
) -> None:
    """The same card at one more gateway, where it is charged when the first is out of order."""

    async def work(engine: Engine) -> list[str]:
        await routing.add_token(engine, customer, method, gateway, token)
        return sorted(await routing.tokens(engine, customer, method))

    names = run(work)
    if as_json:
        output.print_json({"payment_method_id": method, "gateways": names})
    else:
        typer.echo(f"{method}  {', '.join(names)}")


def _record(row: Customer) -> dict[str, str]:
    street = ", ".join(part for part in (row.address_line1, row.address_line2) if part)
    city = " ".join(part for part in (row.postal_code, row.city) if part)
    place = "-".join(part for part in (row.country, row.region) if part)
    known = {
        "Company": row.company,
        "Address": ", ".join(part for part in (street, city, place) if part),
        "VAT number": row.vat_number,
        "Tax": "exempt" if row.tax_exempt else None,
        "Group": row.customer_group,
        "Pays": None if row.net_days is None else f"invoices, within {row.net_days} days",
    }
    return {
        "ID": row.id,
        "Name": output.word(row.name),
        "Email": output.word(row.email),
        "Time zone": row.timezone,
        "Language": row.locale,
        **{name: output.word(value) for name, value in known.items() if value},
        "Created": output.instant(row.created_at),
    }


def _require_token(engine: Engine, token: str) -> None:
    """Before anything is kept. What was given is not repeated: it may have been a card's number."""
    customers.recognise(engine, token, field="card")


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
