"""Billing what is due and helping what is stuck, on the real stack."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from perennial.db.models import Subscription
from perennial.db.repositories import records
from perennial.domain import calendar
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.engine import runs, subscriptions
from perennial.engine.context import Engine, open_engine
from perennial.engine.subscriptions import NewSubscription
from perennial.stack import Stack
from tests.integration.conftest import Cli

Subscribed = Callable[..., Any]


def with_engine(stack: Stack, work: Callable[[Engine], Any]) -> Any:
    async def call() -> Any:
        engine = await open_engine(stack.settings())
        try:
            return await work(engine)
        finally:
            engine.close()

    return asyncio.run(call())


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.2)


def test_nothing_due_is_said(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    said = cli("bill", made["customer_id"], "--json")
    assert said.code == 0
    assert said.json["subscriptions"] == [
        {"subscription": made["id"], "plan": "basic-monthly", "did": "nothing is due", "status": "active"}
    ]
    assert said.json["owed"] == []
    assert cli("bill", made["customer_id"]).out.count("none") == 1


def test_a_renewal_inside_the_herds_window_is_billed_at_once(
    cli: Cli, newcomer: Callable[..., str], live_stack: Stack
) -> None:
    """It is due, and its slot is hours away: `bill` does not wait for it."""
    customer = newcomer()

    async def begin_a_month_ago(engine: Engine) -> str:
        now = engine.clock().replace(microsecond=0)
        start = calendar.boundary(now.replace(tzinfo=None), Interval(IntervalUnit.MONTH), "UTC", -1)
        start += timedelta(seconds=3) - (
            calendar.boundary(start.replace(tzinfo=None), Interval(IntervalUnit.MONTH), "UTC", 1) - now
        )
        new = NewSubscription(customer_id=customer, plan="basic-monthly", currency="USD", id=f"sub_herd_{now:%H%M%S}")
        state = await engine.read(lambda session: subscriptions.prepare(engine, session, new))
        end = calendar.boundary(start.replace(tzinfo=None), Interval(IntervalUnit.MONTH), "UTC", 1)
        state = replace(
            state,
            created_at=start,
            as_of=start,
            anchor=start.replace(tzinfo=None),
            period=replace(state.period, start=start, end=end),
            span=replace(state.span, start=start, end=end),
            incomplete_until=now + timedelta(hours=23),
            renewal_window_seconds=86_400,
        )
        await engine.write(lambda session: session.add(Subscription(**records.subscription_row(state))))
        await runs.start(engine, state)
        return state.id

    subscription = with_engine(live_stack, begin_a_month_ago)

    def invoices() -> list[Any]:
        return list(cli("invoices", "list", "--subscription", subscription, "--status", "paid", "--json").json["data"])

    eventually(lambda: len(invoices()) == 1)
    time.sleep(4)
    assert len(invoices()) == 1, "its slot has not come"

    said = cli("bill", customer, "--json")

    assert said.code == 0
    assert said.json["subscriptions"][0]["did"].startswith("acted on: renewal of ")
    assert len(invoices()) == 2
    assert cli("bill", customer, "--json").json["subscriptions"][0]["did"] == "nothing is due"


def test_an_open_invoice_is_tried_again(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed(card="pm_card_declines_2_times")
    assert made["status"] == "incomplete"

    second, third = (cli("bill", made["customer_id"], "--json").json for _ in range(2))

    assert second["subscriptions"][0]["did"] == "tried again: insufficient_funds"
    assert [invoice["amount_due"] for invoice in second["owed"]] == [900]
    assert (third["subscriptions"][0]["did"], third["subscriptions"][0]["status"]) == ("paid", "active")
    assert third["owed"] == []


def test_a_card_refused_for_good_is_not_hammered(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed(card="pm_card_chargeDeclinedStolenCard")
    assert cli("bill", made["customer_id"], "--json").json["subscriptions"][0]["did"] == (
        "waits for the customer (stolen_card)"
    )
    assert len(cli("payments", "list", "--customer", made["customer_id"], "--json").json["data"]) == 1


def test_what_moves_is_not_stuck(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    found = {row["id"] for row in cli("support", "stuck", "--json").json["data"]}
    assert made["id"] not in found
    assert cli("support", "retry", made["id"], "--reason", "asked").out == f"{made['id']}: nothing is due\n"


def test_a_failing_activity_is_found_with_its_cause_and_tried_again(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed(card="pm_card_chargeDeclined")
    card = cli("customers", "add-card", made["customer_id"], "pm_card_outage_9", "--json").json["id"]

    said = cli("subscriptions", "set-payment-method", made["id"], card)

    assert said.code == 0
    assert said.err.startswith("Accepted and still being carried out")
    stuck = cli("support", "stuck", "--json")
    assert stuck.code == 1
    (row,) = [row for row in stuck.json["data"] if row["id"] == made["id"]]
    assert "collect fails (attempt" in row["cause"]
    assert "GatewayUnavailable: 503" in row["cause"]
    assert row["failing"][0]["attempt"] >= 3
    assert made["id"] in cli("support", "stuck").out
    # Temporal tries by itself too, later and later: how many of the tries are ours depends on how quick the machine is.
    ours = 0
    while "tries again now: collect" in cli("support", "retry", made["id"], "--reason", "asked").out:
        ours += 1
        time.sleep(0.3)
    assert ours > 0
    eventually(lambda: cli("subscriptions", "show", made["id"], "--json").json["subscription"]["status"] == "active")
    paid = cli("payments", "list", "--customer", made["customer_id"], "--status", "succeeded", "--json").json["data"]
    assert len(paid) == 1


def test_a_lost_workflow_is_found_and_started_again(cli: Cli, subscribed: Subscribed, live_stack: Stack) -> None:
    made = subscribed()

    async def lose(engine: Engine) -> None:
        await engine.temporal.get_workflow_handle(made["id"]).terminate("lost")

    with_engine(live_stack, lose)

    def stuck() -> list[Any]:
        return [row for row in cli("support", "stuck", "--json").json["data"] if row["id"] == made["id"]]

    eventually(lambda: bool(stuck()))
    assert stuck()[0]["cause"] == "no workflow runs for it"
    said = cli("check", "rows_match_workflows")
    assert said.code == 1
    assert f"rows_match_workflows: {made['id']}: it lives, but no workflow runs for it" in said.out

    said = cli("support", "retry", made["id"], "--reason", "asked")
    assert "its workflow was missing and is started again" in said.out

    eventually(lambda: not stuck())
    assert cli("subscriptions", "skip-next", made["id"], "--json").json["skip_next"] is True


def test_an_overdue_row_is_found(cli: Cli, subscribed: Subscribed, live_stack: Stack) -> None:
    """As it looks when the workers have been away for two hours."""
    made = subscribed()

    async def make_late(engine: Engine) -> bool:
        late = "UPDATE subscriptions SET next_due_at = now() - interval '2 hours' WHERE id = :id AND status = 'active'"
        statement = text(f"{late} RETURNING id")
        return await engine.write(lambda session: session.scalar(statement, {"id": made["id"]})) is not None

    # Until it is active its first steps are still being written.
    eventually(lambda: bool(with_engine(live_stack, make_late)))
    (row,) = [row for row in cli("support", "stuck", "--json").json["data"] if row["id"] == made["id"]]
    assert row["due_kind"] == "renewal"
    assert 6_000 < row["late"] < 7_200
    assert "1 h 5" in cli("support", "stuck").out
