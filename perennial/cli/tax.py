"""`perennial tax`: which rates there are, and which taxes a sale would bear."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, of
from perennial.cli.parties import place_of
from perennial.cli.session import run, unusable
from perennial.db.repositories.tax import dated_rate
from perennial.domain.tax import DatedRate
from perennial.engine import tax
from perennial.engine.context import Engine
from perennial.tax.table import TableTaxCalculator

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tax rates and what they lead to.")

_PERCENT = re.compile(r"\d{1,3}(\.\d{1,6})?")
_OWN = "txr_"


def _percent(value: Decimal) -> str:
    return f"{value.normalize():f} %"


_RATES = (
    Column("Place", of("jurisdiction")),
    Column("Tax", of("name")),
    Column("Rate", lambda rate: _percent(rate.percent), right=True),
    Column("Since", of("valid_from")),
    Column("Until", lambda rate: str(rate.valid_to or "")),
    Column("From", lambda rate: f"own ({rate.source})" if rate.source.startswith(_OWN) else rate.source),
)
_TAXES = (
    Column("Owed to", of("jurisdiction")),
    Column("Tax", of("name")),
    Column("Rate", lambda rate: _percent(rate.percent), right=True),
    Column("Category", of("category")),
    Column("Reason", of("reason")),
)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2027-01-01") from None


Day = Annotated[date | None, typer.Option(parser=_day, metavar="DAY", help="For example 2027-01-01.")]


@app.command()
def rates(
    country: Annotated[str | None, typer.Option(help="Only those of this country.", metavar="CODE")] = None,
    on: Annotated[date | None, typer.Option(parser=_day, metavar="DAY", help="The day (default: today).")] = None,
    as_json: Json = False,
) -> None:
    """Rates that hold on a day: the merchant's own, which come first, and the packaged ones."""
    found = run(lambda engine: _rates(engine, on))
    shown = [rate for rate in found if country is None or rate.country == country.upper()]
    if as_json:
        output.print_json({"data": shown, "next": None})
    else:
        output.show_table("Tax rates", _RATES, shown)


@app.command("add-rate")
def add_rate(
    place: Annotated[str, typer.Argument(help="US-NY, CA-BC, DE.")],
    percent: Annotated[str, typer.Argument(help="8.875")],
    name: Annotated[str, typer.Option(help="As it stands on documents: Sales tax, PST, VAT.")],
    since: Day = None,
    until: Annotated[
        date | None, typer.Option(parser=_day, metavar="DAY", help="The first day on which it no longer holds.")
    ] = None,
    combined: Annotated[bool, typer.Option(help="It holds the country's own rate, as Canadian HST does.")] = False,
    as_json: Json = False,
) -> None:
    """A rate of the merchant's own, from a day on (default: today). It comes before a packaged one of its place."""
    country, region = place_of(place, "PLACE")
    if not _PERCENT.fullmatch(percent):
        unusable(f"{percent!r} is no percentage; write 8.875")

    async def work(engine: Engine) -> DatedRate:
        new = tax.NewRate(
            country=country,
            region=region,
            name=name,
            percent=Decimal(percent),
            valid_from=since or engine.clock().date(),
            valid_to=until,
            combined=combined,
        )
        return dated_rate(await tax.add_rate(engine, new))

    _show(run(work), as_json=as_json)


@app.command("end-rate")
def end_rate(
    rate: Annotated[str, typer.Argument(help="txr_...")],
    on: Annotated[date, typer.Argument(parser=_day, metavar="DAY", help="The first day on which it no longer holds.")],
    as_json: Json = False,
) -> None:
    """End an own rate. Invoices that were issued keep it."""

    async def work(engine: Engine) -> DatedRate:
        return dated_rate(await tax.close_rate(engine, rate, on))

    _show(run(work), as_json=as_json)


@app.command()
def what(customer: str, as_json: Json = False) -> None:
    """Which taxes a sale to a customer would bear now, and why."""
    sale, judgement = run(lambda engine: tax.what(engine, customer))
    if as_json:
        output.print_json({"on": sale.on, "why": judgement.why, "taxes": judgement.taxes})
        return
    typer.echo(f"{sale.on}: {judgement.why}")
    if judgement.taxes:
        output.show_table("Taxes", _TAXES, judgement.taxes)
    else:
        typer.echo("no tax")


async def _rates(engine: Engine, on: date | None) -> list[DatedRate]:
    day = on or engine.clock().date()
    own = [dated_rate(row) for row in await tax.rates_on(engine, day)]
    packaged = engine.taxes.on(day) if isinstance(engine.taxes, TableTaxCalculator) else ()
    return [*own, *packaged]


def _show(rate: DatedRate, *, as_json: bool) -> None:
    if as_json:
        output.print_json(rate)
        return
    until = f" to {rate.valid_to}" if rate.valid_to else ""
    typer.echo(f"{rate.source}: {rate.jurisdiction} {rate.name} {_percent(rate.percent)}, {rate.valid_from}{until}")
