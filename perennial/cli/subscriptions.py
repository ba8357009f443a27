"""`perennial subscriptions`: open them, look at them; the commands are in `subscription_commands`."""

from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import output, subscription_commands
from perennial.cli.dunning import set_dunning
from perennial.cli.options import PAGE, AddOns, After, Currency, Json, Limit, RequestId, Timezone, addons_of
from perennial.cli.output import Column, at, instant, of, status
from perennial.cli.session import run
from perennial.cli.subscription_view import show_preview, show_view
from perennial.contracts.views import SubscriptionView, view_of
from perennial.db.models import Invoice, Subscription
from perennial.domain.money import Money
from perennial.domain.subscription.state import Status
from perennial.engine import pages, previews, states, subscriptions
from perennial.engine.ids import new_id
from perennial.engine.subscriptions import NewSubscription

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Subscriptions and their commands.")

_SUBSCRIPTIONS = (
    Column("ID", of("id")),
    Column("Customer", of("customer_id")),
    Column("Plan", of("plan_code")),
    Column("Qty", of("quantity"), right=True),
    Column("Currency", of("currency")),
    Column("Status", status()),
    Column("Period ends", at("period_end")),
    Column("Next", lambda row: f"{row.next_due_kind} {instant(row.next_due_at)}" if row.next_due_kind else ""),
)
_INVOICES = (
    Column("ID", of("id")),
    Column("Number", of("number")),
    Column("Issued", at("issued_at")),
    Column("Due", lambda row: str(Money(row.amount_due, row.currency)), right=True),
    Column("Status", status()),
)


@app.command("list")
def list_subscriptions(
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only those of this plan.")] = None,
    wanted: Annotated[Status | None, typer.Option("--status", help="Only those in this status.")] = None,
    clock: Annotated[str | None, typer.Option(help="Only those on this test clock.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"customer_id": customer, "plan_code": plan, "status": wanted, "test_clock_id": clock}
    page = run(lambda engine: pages.page(engine, Subscription, after=after, limit=limit, filters=filters))
    output.show_list("Subscriptions", _SUBSCRIPTIONS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(subscription: str, as_json: Json = False) -> None:
    """A subscription with its latest invoices."""

    def read(session: Session) -> tuple[SubscriptionView, list[Invoice]]:
        row = subscriptions.require(session, subscription)
        latest = select(Invoice).where(Invoice.subscription_id == subscription).order_by(Invoice.issued_at.desc())
        return view_of(states.current(session, row)), list(session.scalars(latest.limit(5)))

    view, invoices = run(lambda engine: engine.read(read))
    if as_json:
        output.print_json({"subscription": view, "invoices": invoices})
        return
    show_view(view, as_json=False)
    output.show_table("Latest invoices", _INVOICES, invoices)


@app.command()
def create(
    customer: Annotated[str, typer.Argument(help="cus_...")],
    plan: Annotated[str, typer.Argument(help="The plan's code.")],
    currency: Currency = "USD",
    quantity: Annotated[int, typer.Option(min=1, help="Units or seats.")] = 1,
    timezone: Timezone = None,
    payment_method: Annotated[str | None, typer.Option(help="Default: the customer's.", metavar="PM")] = None,
    trial_days: Annotated[int | None, typer.Option(min=0, help="Default: the plan's.")] = None,
    coupon: Annotated[
        list[str] | None, typer.Option(help="A coupon's code; several in the order they count in.")
    ] = None,
    addon: AddOns = None,
    net_days: Annotated[int | None, typer.Option(min=0, help="Send invoices, to be paid in so many days.")] = None,
    clock: Annotated[str | None, typer.Option(help="Live on this test clock.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what it would cost.")] = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Subscribe a customer to a plan and make the first payment."""
    new = NewSubscription(
        customer_id=customer,
        plan=plan,
        currency=currency.upper(),
        quantity=quantity,
        timezone=timezone,
        payment_method_id=payment_method,
        trial_days=trial_days,
        coupons=tuple(coupon or ()),
        addons=addons_of(addon),
        net_days=net_days,
        test_clock_id=clock,
        id=new_id("sub", request_id) if request_id else None,
    )
    if preview:
        show_preview(run(lambda engine: previews.preview_new(engine, new)), as_json=as_json)
        return
    show_view(run(lambda engine: subscriptions.create(engine, new)), as_json=as_json)


subscription_commands.register(app)
app.command("set-dunning")(set_dunning)
