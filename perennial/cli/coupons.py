"""`perennial coupons`: what is taken off a price, for a while or for ever."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, instant_option
from perennial.cli.output import Column, at, of
from perennial.cli.session import run, unusable
from perennial.db.models import Coupon, CouponRedemption
from perennial.domain.coupons import CouponTerms
from perennial.domain.money import Money
from perennial.engine import coupons, pages
from perennial.engine.context import Engine
from perennial.ports import Page

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Coupons.")

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PERCENT = re.compile(r"\d{1,3}(\.\d{1,6})?")


def _off(row: Coupon) -> str:
    if row.percent_off is not None:
        return f"{row.percent_off.normalize():f} %"
    return str(Money(row.amount_off or 0, row.currency or ""))


def _lasts(row: Coupon) -> str:
    return "for ever" if row.duration_periods is None else f"{row.duration_periods} periods"


def _redeemed(row: Coupon) -> str:
    return str(row.redeemed) if row.max_redemptions is None else f"{row.redeemed} of {row.max_redemptions}"


_COUPONS = (
    Column("Code", of("code")),
    Column("Off", _off, right=True),
    Column("Lasts", _lasts),
    Column("Plans", lambda row: ", ".join(row.plans or ("every plan",))),
    Column("Redeemed", _redeemed, right=True),
    Column("Expires", at("expires_at")),
    Column("Archived", at("archived_at")),
)
_REDEMPTIONS = (
    Column("Subscription", of("subscription_id")),
    Column("Customer", of("customer_id")),
    Column("Redeemed", at("redeemed_at")),
    Column("Released", at("released_at")),
)


@app.command("list")
def list_coupons(limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """Newest first."""
    page = run(lambda engine: pages.page(engine, Coupon, after=after, limit=limit))
    output.show_list("Coupons", _COUPONS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(code: str, as_json: Json = False) -> None:
    """One coupon."""
    _show(run(lambda engine: coupons.get(engine, code)), as_json=as_json)


@app.command()
def create(
    code: Annotated[str, typer.Argument(help="How it is called.")],
    percent_off: Annotated[str | None, typer.Option(help="Above 0, at most 100.", metavar="PERCENT")] = None,
    amount_off: Annotated[
        int | None, typer.Option(min=1, help="In minor units of --currency, for example 500.", metavar="MINOR")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code, with --amount-off.", metavar="CODE")] = None,
    periods: Annotated[int | None, typer.Option(min=1, help="How many periods it lasts (default: for ever).")] = None,
    plan: Annotated[list[str] | None, typer.Option(help="Good for this plan alone; may be repeated.")] = None,
    first_time_only: Annotated[
        bool, typer.Option("--first-time-only", help="Only for customers who have paid nothing yet.")
    ] = False,
    combinable: Annotated[
        bool, typer.Option("--combinable", help="Goes together with others that say so too.")
    ] = False,
    max_redemptions: Annotated[int | None, typer.Option(min=1, help="How often at most, by everybody.")] = None,
    expires_at: Annotated[datetime | None, instant_option("From then on nobody redeems it.")] = None,
    as_json: Json = False,
) -> None:
    """A new coupon: a percentage or an amount off each whole period."""
    if not _CODE.fullmatch(code):
        unusable("code: letters, digits, - and _, at most 64")
    if percent_off is not None and not _PERCENT.fullmatch(percent_off):
        unusable(f"--percent-off: {percent_off!r} is no percentage; write 12.5")
    if amount_off is None and currency is not None:
        unusable("--currency goes with --amount-off")

    async def work(engine: Engine) -> Coupon:
        terms = CouponTerms(
            code=code,
            percent_off=None if percent_off is None else Decimal(percent_off),
            amount_off=amount_off,
            currency=currency and currency.upper(),
            duration_periods=periods,
            plans=tuple(plan or ()),
            first_time_only=first_time_only,
            combinable=combinable,
            max_redemptions=max_redemptions,
            expires_at=expires_at,
        )
        return await coupons.create(engine, terms)

    _show(run(work), as_json=as_json)


@app.command()
def archive(code: str, as_json: Json = False) -> None:
    """Nobody redeems it any more; where it is in force it stays so."""
    _show(run(lambda engine: coupons.archive(engine, code)), as_json=as_json)


@app.command()
def redemptions(code: str, limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """Who redeemed it, newest first."""

    async def work(engine: Engine) -> Page[CouponRedemption]:
        await coupons.get(engine, code)
        return await pages.page(engine, CouponRedemption, after=after, limit=limit, filters={"coupon_code": code})

    page = run(work)
    output.show_list(f"Redemptions of {code}", _REDEMPTIONS, page.items, as_json=as_json, next_page=page.next)


def _show(row: Coupon, *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
    else:
        archived = ", archived" if row.archived_at else ""
        typer.echo(f"{row.code}: {_off(row)} off, {_lasts(row)}{archived}")
