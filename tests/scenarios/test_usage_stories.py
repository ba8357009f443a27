"""Stories of usage: in arrears, late, in several stretches, at the end; alerts and what customers are entitled to."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.subscription.commands import ChangeQuantity, When
from perennial.domain.usage import Aggregation, Meter
from perennial.engine import entitlements, meters, previews, usage
from perennial.engine.context import Engine
from perennial.engine.usage import RunningUsage
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.relay import Relay
from perennial.notifications.usage_alerts import PAUSE, UsageAlerts
from tests.support.stage import Stage, at

MONTH = Interval(IntervalUnit.MONTH)
TIERS = {
    "type": "graduated",
    "tiers": [{"up_to": 100, "unit_price": "0"}, {"up_to": None, "unit_price": "0.01"}],
}


@pytest.fixture
async def calls(engine: Engine) -> Meter:
    """A meter of this test alone; its event has the same name."""
    code = f"calls_{uuid4().hex[:8]}"
    meter = Meter(code, "Calls", code, Aggregation.SUM, "value")
    await meters.create(engine, meter)
    return meter


def charge(meter: Meter, price: dict[str, Any] = TIERS) -> dict[str, Any]:
    return {"code": "calls", "name": "Calls", "meter": meter.code, "prices": {"USD": price}}


async def api_plan(stage: Stage, meter: Meter, price: dict[str, Any] = TIERS, **more: Any) -> str:
    flat = {"USD": {"type": "flat", "amount": "10.00"}}
    return await stage.plan("api", interval=MONTH, prices=flat, charges=(charge(meter, price),), **more)


async def lines(stage: Stage, subscription: str) -> list[tuple[str, str, int, int]]:
    """Reason, description, quantity and amount of every line but the plan's, in order."""
    found = await stage.rows(
        "SELECT i.reason, l.description, l.quantity, l.amount FROM invoices i JOIN invoice_lines l "
        "ON l.invoice_id = i.id WHERE i.subscription_id = :id AND l.kind = 'usage' ORDER BY i.issued_at, l.position",
        id=subscription,
    )
    return [(reason, told, int(quantity), amount) for reason, told, quantity, amount in found]


def sums(found: RunningUsage) -> list[tuple[int, int]]:
    return [(int(each.quantity), each.amount) for each in found.charges]


async def test_what_comes_late_is_on_the_next_invoice(stage: Stage, calls: Meter) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls))
    await stage.advance(clock, "2026-01-20 10:00")
    await stage.use(sub, calls.event, at("2026-01-18 10:00"), 1500)
    assert sums(await usage.summary(stage.engine, sub)) == [(1500, 1400)]
    await stage.advance(clock, "2026-02-16 10:00")
    assert await lines(stage, sub) == [("renewal", "Calls", 1500, 1400)]

    # Of January, which has been billed: 50 more cost 0.50, as they would have then.
    await stage.use(sub, calls.event, at("2026-01-19 10:00"), 50)
    # The very instant at which the new period began belongs to it.
    await stage.use(sub, calls.event, at("2026-02-15 10:00"), 300)
    told = await usage.summary(stage.engine, sub)
    assert (sums(told), [each.more.amount for each in told.late]) == ([(300, 200)], [50])
    await stage.advance(clock, "2026-03-16 10:00")
    assert (await lines(stage, sub))[1:] == [("renewal", "Calls, late usage", 50, 50), ("renewal", "Calls", 300, 200)]
    await stage.advance(clock, "2026-04-16 10:00")
    assert len(await lines(stage, sub)) == 3
    assert await stage.due_amounts(sub) == [1000, 2400, 1250, 1000]
    await stage.once_each(sub)


async def test_the_outlook_behind_an_invoice_is_without_what_came_late(stage: Stage, calls: Meter) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    seats = {"USD": {"type": "per_unit", "unit_price": "10.00"}}
    sub = await stage.subscribe(
        clock, await stage.plan("seats", interval=MONTH, prices=seats, charges=(charge(calls),))
    )
    await stage.advance(clock, "2026-02-16 10:00")
    await stage.use(sub, calls.event, at("2026-01-19 10:00"), 1100)
    seen = await previews.preview_change(
        stage.engine,
        sub,
        lambda _session, _row, now: ChangeQuantity(request_id="req_preview", quantity=2, at=now, when=When.NOW),
    )
    await stage.send(sub, "change_quantity", quantity=2, when="now")
    await stage.advance(clock, "2026-03-16 10:00")
    assert await lines(stage, sub) == [("plan_change", "Calls, late usage", 1100, 1000)]
    assert [seen.total, seen.next_amount] == (await stage.due_amounts(sub))[-2:]
    assert seen.next_amount == 2000


async def test_a_plan_that_measures_nothing_bills_what_came_late_for_the_one_before(stage: Stage, calls: Meter) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls))
    await stage.advance(clock, "2026-01-20 10:00")
    await stage.use(sub, calls.event, at("2026-01-18 10:00"), 200)
    await stage.send(sub, "change_plan", plan="basic-monthly", when="period_end")
    await stage.advance(clock, "2026-02-16 10:00")
    await stage.use(sub, calls.event, at("2026-02-01 10:00"), 100)
    await stage.advance(clock, "2026-04-16 10:00")
    assert await lines(stage, sub) == [("renewal", "Calls", 200, 100), ("renewal", "Calls, late usage", 100, 100)]
    await stage.once_each(sub)


async def test_a_correction_lowers_what_is_not_billed_and_gives_nothing_back(stage: Stage, calls: Meter) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls))
    await stage.advance(clock, "2026-01-20 10:00")
    await stage.use(sub, calls.event, at("2026-01-18 10:00"), 1500)
    await stage.use(sub, calls.event, at("2026-01-18 11:00"), -500)
    await stage.advance(clock, "2026-02-16 10:00")
    await stage.use(sub, calls.event, at("2026-01-18 12:00"), -700)
    await stage.use(sub, calls.event, at("2026-02-16 09:00"), -700)
    await stage.advance(clock, "2026-03-16 10:00")
    assert await lines(stage, sub) == [("renewal", "Calls", 1000, 900)]
    # What comes later for January is set against what was taken back.
    await stage.use(sub, calls.event, at("2026-01-18 13:00"), 800)
    await stage.advance(clock, "2026-04-16 10:00")
    assert (await lines(stage, sub))[1:] == [("renewal", "Calls, late usage", 800, 100)]


async def test_the_end_bills_what_was_used(stage: Stage, calls: Meter) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls))
    await stage.advance(clock, "2026-01-20 10:00")
    await stage.use(sub, calls.event, at("2026-01-18 10:00"), 600)
    await stage.send(sub, "cancel", when="now")
    assert await lines(stage, sub) == [("final_usage", "Calls", 600, 500)]
    # Nothing is billed any more, until it is reactivated.
    await stage.use(sub, calls.event, at("2026-01-19 10:00"), 100)
    await stage.send(sub, "reactivate")
    assert (await lines(stage, sub))[1:] == [("renewal", "Calls, late usage", 100, 100)]


async def test_nothing_used_is_no_last_invoice_however_often_it_is_tried(stage: Stage, calls: Meter) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls))
    await stage.advance(clock, "2026-01-20 10:00")
    await stage.send(sub, "cancel", when="now")
    assert [bill.reason for bill in await stage.bills(sub)] == ["first_period"]


@pytest.mark.parametrize(
    ("price", "used", "amount"),
    [
        ({"type": "percentage", "rate_percent": "2", "fixed_fee": "0.10", "free_events": 1}, [100, 50, 200], 520),
        ({"type": "commitment", "unit_price": "0.01", "commitment_amount": "20.00", "true_up": True}, [500], 2000),
        ({"type": "per_unit", "unit_price": "0.01", "minimum_amount": "3.00"}, [], 300),
        ({"type": "package", "package_size": "100", "package_price": "5.00"}, [101], 1000),
    ],
    ids=["percentage of each event", "commitment", "minimum", "started packages"],
)
async def test_prices_of_usage(stage: Stage, calls: Meter, price: dict[str, Any], used: list[int], amount: int) -> None:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls, price))
    await stage.advance(clock, "2026-01-20 10:00")
    for n, value in enumerate(used):
        await stage.use(sub, calls.event, at(f"2026-01-18 1{n}:00"), value)
    seen = await previews.preview_change(
        stage.engine,
        sub,
        lambda _session, _row, now: ChangeQuantity(request_id="req_preview", quantity=3, at=now, when=When.PERIOD_END),
    )
    await stage.send(sub, "change_quantity", quantity=3, when="period_end")
    await stage.advance(clock, "2026-02-15 10:00")
    assert await lines(stage, sub) == [("renewal", "Calls", sum(used), amount)]
    assert seen.next_amount == (await stage.due_amounts(sub))[-1] == 1000 + amount


async def test_alerts_are_told_once_a_period(stage: Stage, calls: Meter) -> None:
    limit = {"feature": "calls", "kind": "limit", "limit": 1000, "meter": calls.code, "alerts": [80, 100]}
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, await api_plan(stage, calls, entitlements=(limit,)))
    await stage.advance(clock, "2026-01-20 10:00")

    async def told() -> list[tuple[str, str, str]]:
        found = await stage.rows(
            "SELECT payload ->> 'share', payload ->> 'used', key FROM outbox_messages "
            "WHERE subscription_id = :id AND kind = 'usage_alert' ORDER BY id",
            id=sub,
        )
        return [(share, used, key.rpartition("usage_alert:")[2].removeprefix(f"{sub}:")) for share, used, key in found]

    await stage.use(sub, calls.event, at("2026-01-18 10:00"), 799)
    await stage.alerts()
    assert await told() == []
    await stage.use(sub, calls.event, at("2026-01-18 11:00"), 1)
    await stage.alerts()
    await stage.use(sub, calls.event, at("2026-01-18 12:00"), 50)
    await stage.alerts()
    assert await told() == [("80", "800", "calls:0:80")]
    # Not looked at until the clock moves: it is told in its own period all the same.
    await stage.use(sub, calls.event, at("2026-01-18 13:00"), 400)
    await stage.advance(clock, "2026-02-20 10:00")
    assert (await told())[1:] == [("100", "1250", "calls:0:100")]
    await stage.use(sub, calls.event, at("2026-02-18 13:00"), 5000)
    await stage.alerts()
    await stage.alerts()
    assert [key for _, _, key in (await told())[2:]] == ["calls:1:80", "calls:1:100"]


async def test_entitlements_follow_access_periods_and_plans(stage: Stage, calls: Meter) -> None:
    limit = {"feature": "calls", "kind": "limit", "limit": 1000, "meter": calls.code}
    plan = await api_plan(stage, calls, entitlements=(limit, {"feature": "sso", "kind": "switch"}))
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, plan)

    async def standing() -> dict[str, tuple[bool, Any]]:
        found = await entitlements.of_customer(stage.engine, stage.owners[sub])
        return {each.feature: (each.allowed, each.remaining) for each in found}

    await stage.advance(clock, "2026-01-20 10:00")
    await stage.use(sub, calls.event, at("2026-01-18 10:00"), 400)
    assert await standing() == {"calls": (True, 600), "sso": (True, None)}
    await stage.use(sub, calls.event, at("2026-01-18 11:00"), 700)
    assert await standing() == {"calls": (False, 0), "sso": (True, None)}
    await stage.advance(clock, "2026-02-16 10:00")
    assert await standing() == {"calls": (True, 1000), "sso": (True, None)}
    await stage.send(sub, "pause")
    assert await standing() == {}
    await stage.send(sub, "resume")
    await stage.send(sub, "change_plan", plan="standard-monthly", when="now")
    assert (await standing())["export"] == (True, None)
    await stage.send(sub, "cancel", when="now")
    assert await standing() == {}


async def test_who_does_not_pay_is_entitled_until_access_ends(stage: Stage, calls: Meter) -> None:
    plan = await api_plan(stage, calls, entitlements=({"feature": "sso", "kind": "switch"},))
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, plan, card="pm_card_dies_after_1")
    for day, n in (("2026-01-16 10:00", 1), ("2026-02-16 10:00", 1), ("2026-05-16 10:00", 0)):
        await stage.advance(clock, day)
        view = await stage.view(sub)
        assert len(await entitlements.of_customer(stage.engine, stage.owners[sub])) == n == view.access, day


async def test_who_is_sent_invoices_is_entitled_at_once(stage: Stage, calls: Meter) -> None:
    plan = await api_plan(stage, calls, entitlements=({"feature": "sso", "kind": "switch"},))
    sub = await stage.subscribe(await stage.clock("2026-01-15 10:00"), plan, card=None, net_days=14)
    assert (await stage.view(sub)).access
    assert [each.feature for each in await entitlements.of_customer(stage.engine, stage.owners[sub])] == ["sso"]


async def test_the_relay_looks_every_few_seconds_and_mails_it(stage: Stage, calls: Meter) -> None:
    limit = {"feature": "calls", "kind": "limit", "limit": 10, "meter": calls.code, "alerts": [50]}
    plan = await api_plan(stage, calls, entitlements=(limit,))
    sub = await stage.subscribe(await stage.clock("2026-01-15 10:00"), plan)
    now = [datetime.now(UTC)]
    alerts = UsageAlerts(stage.engine.sessions, lambda: now[0])
    alerts.run_once()
    await stage.use(sub, calls.event, at("2026-01-15 10:00"), 7)
    now[0] += PAUSE / 2
    alerts.run_once()
    assert "usage_alert" not in await stage.messages(sub)
    now[0] += PAUSE
    alerts.run_once()
    assert "usage_alert" in await stage.messages(sub)

    mailbox = LocalMailbox(stage.engine.sessions, stage.engine.clock)
    relay = Relay(stage.engine.sessions, (mailbox,), stage.engine.clock)
    while relay.run_once():
        pass
    [(subject, body)] = await stage.rows(
        "SELECT subject, body FROM mailbox_messages WHERE key LIKE :key", key=f"notify:usage_alert:{sub}:%"
    )
    assert subject == f"{plan}: 50 % of calls is used"
    assert "You have used 7 of the 10 calls" in body
