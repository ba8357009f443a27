"""`perennial usage`: send events, see what they have come to and what is left."""

import json
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import uuid4

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, instant_option, parse_instant
from perennial.cli.output import Column, at, money, of, word
from perennial.cli.session import run, unusable
from perennial.db.models import UsageEvent
from perennial.db.repositories.usage import Rated
from perennial.domain.entitlements import EntitlementKind, Standing
from perennial.engine import clocks, entitlements, pages, subscriptions, usage
from perennial.engine.context import Engine
from perennial.engine.usage import MOST_EVENTS, Ingested, NewEvent
from perennial.ports import Page

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Usage events, and what customers may use.")

_FIELDS = ("id", "customer_id", "subscription_id", "name", "at", "properties")

_EVENTS = (
    Column("ID", of("id")),
    Column("At", at("at")),
    Column("Event", of("name")),
    Column("Properties", lambda row: " ".join(f"{name}={value}" for name, value in sorted(row.properties.items()))),
    Column("Late", of("late")),
)
_CHARGES = (
    Column("Charge", of("name")),
    Column("From", at("start")),
    Column("To", at("end")),
    Column("Used", of("quantity"), right=True),
    Column("Amount", money("amount"), right=True),
)


def _limit(row: Standing) -> str:
    if row.kind is not EntitlementKind.LIMIT:
        return ", ".join(row.values)
    return "unlimited" if row.limit is None else word(row.limit)


_ENTITLEMENTS = (
    Column("Feature", of("feature")),
    Column("Allowed", of("allowed")),
    Column("Is", _limit, right=True),
    Column("Used", of("used"), right=True),
    Column("Left", of("remaining"), right=True),
    Column("Resets", at("resets_at")),
)


@app.command()
def send(
    customer: Annotated[str | None, typer.Argument(help="cus_...")] = None,
    event: Annotated[str | None, typer.Argument(help="What was done: api_call.")] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="Repeatable: --property gb=1.5.", metavar="NAME=VALUE")
    ] = None,
    when: Annotated[
        datetime | None, instant_option("When (default: now, or where the clock of --subscription stands).")
    ] = None,
    subscription: Annotated[str | None, typer.Option(help="Needed when the customer has several.")] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="The same id again counts once (default: a new one).")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="A file with an event a line, as JSON ('-': standard input).")
    ] = None,
    as_json: Json = False,
) -> None:
    """One event, or a file of them, a thousand at a time. What was sent before counts once."""
    if (source is None) == (customer is None or event is None):
        unusable("give either a customer and an event, or --from FILE")
    if source is not None:
        sent = run(lambda engine: _send_all(engine, source))
    else:
        new = {
            "id": event_id or uuid4().hex,
            "customer_id": customer,
            "subscription_id": subscription,
            "name": event,
            "properties": dict(_property(text) for text in properties or ()),
        }
        sent = run(lambda engine: _send_one(engine, new, when))
    if as_json:
        output.print_json(sent)
    else:
        typer.echo(f"{sent.accepted} new, {sent.duplicates} sent before, {sent.unattributed} of no subscription")


@app.command()
def show(subscription: str, as_json: Json = False) -> None:
    """What has been used since the last bill, and what it would cost now (without discounts and tax)."""
    found = run(lambda engine: usage.summary(engine, subscription))
    charges = [_charge(each, found.currency) for each in found.charges]
    late = [_charge(each.more, found.currency) for each in found.late]
    if as_json:
        told = {"subscription_id": subscription, "as_of": found.as_of, "currency": found.currency}
        output.print_json(told | {"charges": charges, "late": late})
        return
    output.show_table(f"Used until {output.instant(found.as_of)}", _CHARGES, charges)
    if late:
        output.show_table("Came late, for the next invoice", _CHARGES, late)


@app.command("list")
def list_events(subscription: str, limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """The events of a subscription, newest first."""

    async def work(engine: Engine) -> Page[UsageEvent]:
        await subscriptions.get(engine, subscription)
        filters = {"subscription_id": subscription}
        return await pages.page(engine, UsageEvent, after=after, limit=limit, filters=filters)

    page = run(work)
    output.show_list("Usage events", _EVENTS, page.items, as_json=as_json, next_page=page.next)


@app.command("entitlements")
def show_entitlements(customer: str, as_json: Json = False) -> None:
    """What a customer may do now, and what is left of limits."""
    found = run(lambda engine: entitlements.of_customer(engine, customer))
    output.show_list("Entitlements", _ENTITLEMENTS, found, as_json=as_json)


async def _send_one(engine: Engine, new: dict[str, Any], when: datetime | None) -> Ingested:
    if when is None:
        clock = None
        if new["subscription_id"]:
            clock = (await subscriptions.get(engine, new["subscription_id"])).test_clock_id
        when = (await clocks.get(engine, clock)).now if clock else engine.clock()
    return await usage.ingest(engine, [NewEvent(**new, at=when)])


async def _send_all(engine: Engine, source: Path) -> Ingested:
    """Batch after batch. What was sent before an error stays; send the file again when it is mended."""
    sums = Ingested(0, 0, 0)
    with _lines(source) as lines:
        events = (_event(n, line) for n, line in enumerate(lines, start=1) if line.strip())
        while batch := list(islice(events, MOST_EVENTS)):
            sent = await usage.ingest(engine, batch)
            sums = Ingested(
                sums.accepted + sent.accepted,
                sums.duplicates + sent.duplicates,
                sums.unattributed + sent.unattributed,
            )
    return sums


def _lines(source: Path) -> AbstractContextManager[TextIO]:
    if str(source) == "-":
        return nullcontext(typer.get_text_stream("stdin"))
    try:
        return source.open()
    except OSError as error:
        unusable(f"{source}: {error.strerror}")


def _event(n: int, line: str) -> NewEvent:
    try:
        data = json.loads(line)
    except ValueError as error:
        unusable(f"line {n}: is no JSON: {error}")
    if not isinstance(data, dict) or not {"id", "customer_id", "name", "at"} <= data.keys() <= set(_FIELDS):
        unusable(f"line {n}: an event is {{{', '.join(_FIELDS)}}}; subscription_id and properties may be left out")
    texts = [data[name] for name in ("id", "customer_id", "name", "at")] + [data.get("subscription_id") or ""]
    if not all(isinstance(text, str) for text in texts) or not isinstance(data.get("properties", {}), dict):
        unusable(f"line {n}: ids, name and time are texts, properties an object")
    return NewEvent(**data | {"at": parse_instant(data["at"])})


def _property(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        unusable(f"--property: {text!r} is no property; write gb=1.5")
    return name, value


def _charge(each: Rated, currency: str) -> dict[str, Any]:
    return {
        "code": each.charge.code,
        "name": each.charge.name,
        "meter": each.charge.meter,
        "start": each.period.start,
        "end": each.period.end,
        "quantity": each.quantity,
        "amount": each.amount,
        "currency": currency,
    }
