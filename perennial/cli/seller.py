"""`perennial seller`: who sells, where tax is collected, how documents are numbered."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from perennial.cli import output
from perennial.cli.options import Json, Timezone
from perennial.cli.parties import (
    City,
    Country,
    Line1,
    Line2,
    PostalCode,
    RegionCode,
    VatNumber,
    named,
    registrations_of,
)
from perennial.cli.session import run, unusable
from perennial.domain.errors import NotFound
from perennial.domain.invoice import TaxRounding
from perennial.domain.tax import Registration
from perennial.engine import seller
from perennial.engine.context import Engine
from perennial.engine.logos import media_type
from perennial.engine.seller import Profile

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The seller.")


@app.command()
def show(as_json: Json = False) -> None:
    """What stands on documents, where tax is collected, how documents are numbered."""
    _show(run(seller.get), as_json=as_json)


@app.command("set")
def set_(
    name: Annotated[str | None, typer.Option(help="As it stands on documents.")] = None,
    address_line1: Line1 = None,
    address_line2: Line2 = None,
    postal_code: PostalCode = None,
    city: City = None,
    region: RegionCode = None,
    country: Country = None,
    email: Annotated[str | None, typer.Option(help="For questions about documents.")] = None,
    phone: Annotated[str | None, typer.Option(help="The same.")] = None,
    website: Annotated[str | None, typer.Option(help="The same.")] = None,
    vat_number: VatNumber = None,
    register_number: Annotated[str | None, typer.Option(help="Of the commercial register, and which one.")] = None,
    iban: Annotated[str | None, typer.Option(help="Where invoices that are sent are paid to.")] = None,
    bic: Annotated[str | None, typer.Option(help="Of the bank.")] = None,
    logo: Annotated[
        Path | None, typer.Option(help="A PNG or SVG of at most 256 KiB.", exists=True, dir_okay=False)
    ] = None,
    footer: Annotated[str | None, typer.Option(help="At the foot of every document.")] = None,
    timezone: Timezone = None,
    registration: Annotated[
        list[str] | None,
        typer.Option(
            help="Where tax is collected: DE=DE136695976, CA-BC, EU (the One-Stop-Shop). All of them; none: nowhere.",
            metavar="PLACE[=NUMBER]",
        ),
    ] = None,
    tax_rounding: Annotated[TaxRounding | None, typer.Option(help="Each tax once, or line by line.")] = None,
    invoice_prefix: Annotated[str | None, typer.Option(help="INV makes INV-000001.", metavar="PREFIX")] = None,
    credit_note_prefix: Annotated[str | None, typer.Option(help="CN makes CN-000001.", metavar="PREFIX")] = None,
    numbers_by_year: Annotated[bool | None, typer.Option(help="INV-2027-000001, counted anew each year.")] = None,
    as_json: Json = False,
) -> None:
    """Change what is named and leave the rest; an empty text clears."""
    changes = named(
        name=name,
        address_line1=address_line1,
        address_line2=address_line2,
        postal_code=postal_code,
        city=city,
        region=region,
        country=country,
        email=email,
        phone=phone,
        website=website,
        vat_number=vat_number,
        register_number=register_number,
        iban=iban,
        bic=bic,
        logo=logo.read_bytes() if logo else None,
        footer=footer,
        timezone=timezone,
        registrations=registrations_of(registration) if registration else None,
        tax_rounding=tax_rounding,
        invoice_prefix=invoice_prefix,
        credit_note_prefix=credit_note_prefix,
        numbers_by_year=numbers_by_year,
    )
    if not changes:
        unusable("nothing to change: see --help")
    _show(run(lambda engine: _change(engine, changes)), as_json=as_json)


async def _change(engine: Engine, changes: dict[str, Any]) -> Profile:
    try:
        before = await seller.get(engine)
    except NotFound:
        if not changes.get("name"):
            unusable("nobody sells yet: give --name")
        before = Profile(name="")
    if "name" in changes and not changes["name"]:
        unusable("--name must not be empty")
    return await seller.put(engine, replace(before, **changes))


def _show(profile: Profile, *, as_json: bool) -> None:
    logo = f"{media_type(profile.logo)}, {len(profile.logo)} bytes" if profile.logo else None
    if as_json:
        output.print_json(asdict(profile) | {"logo": logo})
        return
    words = {
        name.replace("_", " ").capitalize(): output.word(value)
        for name, value in asdict(replace(profile, logo=None, registrations=())).items()
        if value not in (None, ())
    }
    words["Logo"] = logo or "none"
    words["Registrations"] = ", ".join(_registration(each) for each in profile.registrations) or "none: no tax"
    output.show_record(words)


def _registration(each: Registration) -> str:
    place = f"{each.country}-{each.region}" if each.region else each.country
    return " ".join(
        [place, *([f"({each.number})"] if each.number else []), *([f"since {each.since}"] if each.since else [])]
    )
