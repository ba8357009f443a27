"""`perennial checkout`: sessions of the payment page."""

from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import PAGE, AddOns, After, Json, Limit, RequestId, addons_of
from perennial.cli.output import Column, at, of, status
from perennial.cli.session import run, unusable
from perennial.db.models import CheckoutSession
from perennial.engine import checkout, pages
from perennial.engine.checkout import Mode, NewSession, SessionStatus
from perennial.engine.checkout_standing import look
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.subscriptions import NewSubscription
from perennial.ports import Page

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Sessions of the payment page.")

_SESSIONS = (
    Column("ID", of("id")),
    Column("Mode", of("mode")),
    Column("Status", status()),
    Column("Customer", of("customer_id")),
    Column("Invoice", of("invoice_id")),
    Column("Subscription", of("subscription_id")),
    Column("Created", at("created_at")),
    Column("Expires", at("expires_at")),
)
# What the page remembers for itself.
_INSIDE = {"secret_hash", "setup_ref", "tries", "busy_since", "terms", "is_link"}

Url = Annotated[str | None, typer.Option(metavar="URL", help="Where the page leads when all is done.")]


@app.command()
def create(
    customer: Annotated[str | None, typer.Option(help="Who subscribes, or adds a payment method (cus_...).")] = None,
    plan: Annotated[str | None, typer.Option(help="Subscribe to this plan.", metavar="CODE")] = None,
    currency: Annotated[
        str | None,
        typer.Option(help="ISO 4217 code. Default: USD; of a method, as the customer's subscriptions.", metavar="CODE"),
    ] = None,
    quantity: Annotated[int, typer.Option(min=1)] = 1,
    coupon: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    addon: AddOns = None,
    trial_days: Annotated[int | None, typer.Option(min=0, help="Default: the plan's.")] = None,
    clock: Annotated[str | None, typer.Option(help="The subscription lives on this test clock (clk_...).")] = None,
    invoice: Annotated[str | None, typer.Option(help="Pay this open invoice (inv_...).")] = None,
    success_url: Url = None,
    cancel_url: Annotated[str | None, typer.Option(metavar="URL", help="Where the page leads back to.")] = None,
    expires_in: Annotated[int, typer.Option(help="Minutes, 5 to 1440.", metavar="MINUTES")] = 1440,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """A page to subscribe (--plan), to pay (--invoice), or to add a payment method (--customer alone)."""
    if (invoice is None) == (customer is None):
        unusable("name a customer (with or without a plan), or an invoice")
    if invoice is not None and plan is not None:
        unusable("--plan and --invoice do not go together")
    for url in (success_url, cancel_url):
        if url is not None and not url.startswith(("https://", "http://")):
            unusable(f"{url!r} does not begin with https:// or http://")
    terms = None
    if plan is not None and customer is not None:
        terms = NewSubscription(
            customer_id=customer,
            plan=plan,
            currency=(currency or "USD").upper(),
            quantity=quantity,
            coupons=tuple(coupon or ()),
            addons=addons_of(addon),
            trial_days=trial_days,
            test_clock_id=clock,
        )
    new = NewSession(
        mode=Mode.INVOICE if invoice else Mode.SUBSCRIPTION if terms else Mode.SETUP,
        customer_id=customer,
        invoice_id=invoice,
        terms=terms,
        currency=currency.upper() if currency else None,
        success_url=success_url,
        cancel_url=cancel_url,
        expires_in=timedelta(minutes=expires_in),
        id=new_id("cs", request_id) if request_id else None,
    )

    async def work(engine: Engine) -> dict[str, object]:
        return _plain(engine, await checkout.create(engine, new))

    _show(run(work), as_json=as_json)


@app.command("list")
def list_sessions(
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    invoice: Annotated[str | None, typer.Option(help="Only those for this invoice.")] = None,
    wanted: Annotated[SessionStatus | None, typer.Option("--status", help="Only those.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"customer_id": customer, "invoice_id": invoice, "status": wanted}

    async def work(engine: Engine) -> Page[dict[str, object]]:
        def load(session: Session) -> Page[CheckoutSession]:
            checkout.lapse(session, engine.clock())
            return pages.load(session, CheckoutSession, after=after, limit=limit, filters=filters)

        page = await engine.write(load)
        return Page(tuple(_plain(engine, row) for row in page.items), page.next)

    page = run(work)
    output.show_list("Checkout sessions", _SESSIONS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(session: Annotated[str, typer.Argument(help="cs_...")], as_json: Json = False) -> None:
    """One session, as it stands."""

    async def work(engine: Engine) -> dict[str, object]:
        return _plain(engine, (await look(engine, session)).row)

    _show(run(work), as_json=as_json)


@app.command()
def expire(session: Annotated[str, typer.Argument(help="cs_...")], as_json: Json = False) -> None:
    """Its link leads nowhere any more."""

    async def work(engine: Engine) -> dict[str, object]:
        await look(engine, session)
        return _plain(engine, await checkout.expire(engine, session))

    _show(run(work), as_json=as_json)


def _plain(engine: Engine, row: CheckoutSession) -> dict[str, object]:
    shown = {name: getattr(row, name) for name in CheckoutSession.__mapper__.columns.keys() if name not in _INSIDE}  # noqa: SIM118
    return shown | {"url": checkout.url_of(engine, row)}


def _show(row: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
        return
    names = ("id", "mode", "status", "customer_id", "invoice_id", "subscription_id", "payment_method_id", "expires_at")
    output.show_record({name: output.word(row[name]) for name in (*names, "url")})
