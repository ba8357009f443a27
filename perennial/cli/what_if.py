"""`perennial support what-if`: the next invoices, as it is or if something were changed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from perennial.cli import output
from perennial.cli.options import Json, addons_of, parse_instant
from perennial.cli.output import Column, at, money, of
from perennial.cli.session import run, within
from perennial.cli.support_care import Subscription as SubscriptionId
from perennial.db.models import Subscription
from perennial.domain.errors import InvalidInput
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.commands import When
from perennial.engine import plans, subscriptions
from perennial.engine.forecasts import COUNT, MOST, Make, forecast

_INVOICES = (
    Column("On (UTC)", at("at")),
    Column("For", of("reason")),
    Column("From", at("period_start")),
    Column("To", at("period_end")),
    Column("Total", money("total"), right=True),
    Column("of it tax", money("tax"), right=True),
    Column("Credit", money("credit_applied"), right=True),
    Column("Due", money("amount_due"), right=True),
    Column("", lambda invoice: "and usage" if invoice.usage_open else ""),
)
# Not sent anywhere, so any name will do.
_REQUEST = "what_if"
_OF_A_PLAN = ("plan", "quantity", "addons")


def what_if(
    subscription: SubscriptionId,
    change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="plan=CODE, quantity=N, addons=CODE:N,..., when=period_end (for those), cancel, cancel=now, "
            "coupon=CODE, pause, pause-until=DATE, resume, reactivate, skip-next, unpark. Several are done in turn.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many invoices.")] = COUNT,
    as_json: Json = False,
) -> None:
    """The next invoices if something were changed now; without --change as it is. Nothing is done.

    From the code that will bill them, with taxes, coupons and credit; the first one is what a preview says.
    """
    changes = within(lambda: changes_of(change or []))
    found = run(lambda engine: forecast(engine, subscription, changes, count))
    if as_json:
        output.print_json(found)
        return
    output.show_table(f"The next {len(found.invoices)} invoices of {subscription}", _INVOICES, found.invoices)
    for note in found.notes:
        typer.echo(f"- {note}")


def changes_of(texts: list[str]) -> list[Make]:
    """Raises InvalidInput: one is not understood."""
    asked = [text.partition("=")[::2] for text in texts]
    of_plan = {name: value for name, value in asked if name in (*_OF_A_PLAN, "when")}
    made = [_one(name.strip(), value.strip()) for name, value in asked if name not in (*_OF_A_PLAN, "when")]
    if set(of_plan) & set(_OF_A_PLAN):
        made.insert(0, _of_plan(of_plan))
    elif of_plan:
        raise InvalidInput("when goes with plan, quantity or addons", field="change")
    return made


def _of_plan(asked: Mapping[str, str]) -> Make:
    when = _word(When, asked.get("when", When.NOW.value))
    quantity = _number(asked["quantity"]) if "quantity" in asked else None
    addons = addons_of([each for each in asked["addons"].split(",") if each]) if "addons" in asked else None

    def make(session: Session, row: Subscription, at: datetime) -> c.Command:
        if plan := asked.get("plan"):
            terms = plans.require_terms(session, plan, row.currency, sellable=plan != row.plan_code)
            return c.ChangePlan(request_id=_REQUEST, at=at, terms=terms, quantity=quantity, addons=addons, when=when)
        if quantity is not None:
            return c.ChangeQuantity(request_id=_REQUEST, at=at, quantity=quantity, when=when)
        return c.ChangeAddOns(request_id=_REQUEST, at=at, addons=addons or (), when=when)

    return make


def _one(name: str, value: str) -> Make:
    if name == "coupon":
        return lambda session, row, at: c.ApplyCoupon(
            request_id=_REQUEST, at=at, discount=subscriptions.require_discount(session, row, value, at)
        )
    if name not in _PLAIN:
        raise InvalidInput(f"{name!r} is no change; write one of {', '.join((*_OF_A_PLAN, *_PLAIN))}", field="change")
    kind, fields = _PLAIN[name]
    more = fields(value)
    return lambda _session, _row, at: kind(request_id=_REQUEST, at=at, **more)


_PLAIN: dict[str, tuple[Callable[..., c.Command], Callable[[str], dict[str, Any]]]] = {
    "cancel": (c.Cancel, lambda value: {"when": _word(When, value or When.PERIOD_END.value)}),
    "coupon": (c.ApplyCoupon, lambda value: {"discount": value}),
    "pause": (c.PauseSubscription, lambda value: {"when": _word(When, value or When.NOW.value)}),
    "pause-until": (c.PauseSubscription, lambda value: {"until": parse_instant(value)}),
    "resume": (c.Resume, lambda _: {}),
    "reactivate": (c.Reactivate, lambda _: {}),
    "skip-next": (c.SkipNext, lambda _: {}),
    "unpark": (c.Unpark, lambda _: {}),
}


def _word(kind: type[When], value: str) -> When:
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(f"{value!r} is neither now nor period_end", field="change") from None


def _number(value: str) -> int:
    if not value.isdecimal():
        raise InvalidInput(f"quantity: {value!r} is no number", field="change")
    return int(value)
