"""`perennial gifts`: bought by one, claimed by another."""

from datetime import datetime
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Currency, Json, Limit, RequestId, Timezone, instant_option
from perennial.cli.output import Column, at, instant, of, status
from perennial.cli.session import run
from perennial.db.models import Gift
from perennial.domain.gift import GiftStatus
from perennial.engine import gifts, pages
from perennial.engine.gifts import NewGift
from perennial.engine.ids import new_id

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Gifts.")

_GIFTS = (
    Column("ID", of("id")),
    Column("Giver", of("giver_id")),
    Column("Plan", of("plan_code")),
    Column("Periods", of("periods"), right=True),
    Column("Status", status()),
    Column("Delivery", at("deliver_at")),
    Column("Claimed by", of("recipient_id")),
    Column("Subscription", of("subscription_id")),
)


@app.command("list")
def list_gifts(
    giver: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    wanted: Annotated[GiftStatus | None, typer.Option("--status", help="Only those in this status.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"giver_id": giver, "status": wanted}
    page = run(lambda engine: pages.page(engine, Gift, after=after, limit=limit, filters=filters))
    output.show_list("Gifts", _GIFTS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(gift: Annotated[str, typer.Argument(help="gift_...")], as_json: Json = False) -> None:
    """A gift with the code that claims it."""
    _show(run(lambda engine: gifts.get(engine, gift)), as_json=as_json)


@app.command()
def buy(
    giver: Annotated[str, typer.Argument(help="cus_..., who pays now")],
    plan: Annotated[str, typer.Argument(help="The plan's code.")],
    periods: Annotated[int, typer.Option(min=1, max=120, help="How many periods are given.")],
    recipient_email: Annotated[str, typer.Option(help="Where the claim code goes.")],
    recipient_name: Annotated[str, typer.Option(help="Who gets it.")],
    currency: Currency = "USD",
    quantity: Annotated[int, typer.Option(min=1, help="Units or seats.")] = 1,
    message: Annotated[str, typer.Option(help="What the giver says.")] = "",
    deliver_at: Annotated[datetime | None, instant_option("When it is delivered (default: at once).")] = None,
    payment_method: Annotated[str | None, typer.Option(help="Default: the giver's.", metavar="PM")] = None,
    clock: Annotated[str | None, typer.Option(help="Live on this test clock.")] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Buy prepaid periods for somebody else."""
    new = NewGift(
        giver_id=giver,
        plan=plan,
        currency=currency.upper(),
        periods=periods,
        quantity=quantity,
        recipient_email=recipient_email,
        recipient_name=recipient_name,
        message=message,
        deliver_at=deliver_at,
        payment_method_id=payment_method,
        test_clock_id=clock,
        id=new_id("gift", request_id) if request_id else None,
    )
    _show(run(lambda engine: gifts.buy(engine, new)), as_json=as_json)


@app.command()
def claim(
    code: Annotated[str, typer.Argument(help="The claim code.")],
    customer: Annotated[str, typer.Argument(help="cus_..., who gets the subscription")],
    timezone: Timezone = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Turn a delivered gift into a prepaid subscription."""
    gift, _ = run(lambda engine: gifts.claim(engine, code, customer, timezone=timezone, request_id=request_id))
    _show(gift, as_json=as_json)


@app.command()
def cancel(
    gift: Annotated[str, typer.Argument(help="gift_...")], request_id: RequestId = None, as_json: Json = False
) -> None:
    """Give the giver the money back, as long as nobody has claimed it."""
    _show(run(lambda engine: gifts.cancel(engine, gift, request_id)), as_json=as_json)


def _show(row: Gift, *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
        return
    output.show_record(
        {
            "ID": row.id,
            "Status": row.status,
            "Giver": row.giver_id,
            "For": f"{output.word(row.recipient_name)} {output.word(row.recipient_email)}",
            "Plan": f"{row.plan_code} (version {row.plan_version}) x {row.quantity}, {row.periods} periods",
            "Claim code": row.claim_code,
            "Delivery": instant(row.deliver_at),
            "Claim until": instant(row.expires_at),
            "Claimed by": row.recipient_id or "",
            "Subscription": row.subscription_id or "",
            "Test clock": row.test_clock_id or "",
        }
    )
