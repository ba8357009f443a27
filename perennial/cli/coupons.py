"""`perennial coupons`: what is taken off a price, for a while or for ever."""

import re
from decimal import Decimal
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, of
from perennial.cli.session import run, unusable
from perennial.db.models import Coupon
from perennial.domain.errors import NotFound
from perennial.domain.money import Money
from perennial.engine import pages, plans

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Coupons.")

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PERCENT = re.compile(r"\d{1,3}(\.\d{1,6})?")


def _off(row: Coupon) -> str:
    if row.percent_off is not None:
        return f"{row.percent_off.normalize():f} %"
    return str(Money(row.amount_off or 0, row.currency or ""))


def _lasts(row: Coupon) -> str:
    return "for ever" if row.duration_periods is None else f"{row.duration_periods} periods"


_COUPONS = (
    Column("Code", of("code")),
    Column("Off", _off, right=True),
    Column("Lasts", _lasts),
    Column("Created", at("created_at")),
)


@app.command("list")
def list_coupons(limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """Newest first."""
    page = run(lambda engine: pages.page(engine, Coupon, after=after, limit=limit))
    output.show_list("Coupons", _COUPONS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(code: str, as_json: Json = False) -> None:
    """One coupon."""

    def read(session: Session) -> Coupon:
        row = session.get(Coupon, code)
        if row is None:
            raise NotFound("coupon", code)
        return row

    _show(run(lambda engine: engine.read(read)), as_json=as_json)


@app.command()
def create(
    code: Annotated[str, typer.Argument(help="How it is called.")],
    percent_off: Annotated[str | None, typer.Option(help="Above 0, at most 100.", metavar="PERCENT")] = None,
    amount_off: Annotated[
        int | None, typer.Option(min=1, help="In minor units of --currency, for example 500.", metavar="MINOR")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code, with --amount-off.", metavar="CODE")] = None,
    periods: Annotated[int | None, typer.Option(min=1, help="How many periods it lasts (default: for ever).")] = None,
    as_json: Json = False,
) -> None:
    """A new coupon: a percentage or an amount off each whole period."""
    if not _CODE.fullmatch(code):
        unusable("code: letters, digits, - and _, at most 64")
    if percent_off is not None and not _PERCENT.fullmatch(percent_off):
        unusable(f"--percent-off: {percent_off!r} is no percentage; write 12.5")
    if amount_off is None and currency is not None:
        unusable("--currency goes with --amount-off")
    percent = None if percent_off is None else Decimal(percent_off)
    made = run(
        lambda engine: plans.create_coupon(
            engine,
            code=code,
            percent_off=percent,
            amount_off=amount_off,
            currency=currency and currency.upper(),
            duration_periods=periods,
        )
    )
    _show(made, as_json=as_json)


def _show(row: Coupon, *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
    else:
        typer.echo(f"{row.code}: {_off(row)} off, {_lasts(row)}")
