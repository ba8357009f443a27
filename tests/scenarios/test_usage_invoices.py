"""Usage on invoices: after renewals and changes, under coupons, in trials, gifts, pauses and long periods."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.subscription.commands import When
from perennial.domain.usage import Aggregation, Meter, WrongEvents
from perennial.engine import meters, subscriptions, usage
from perennial.engine.subscriptions import NewSubscription
from perennial.engine.usage import NewEvent
from tests.support.stage import Stage, at

MONTH = Interval(IntervalUnit.MONTH)
UNITS = Meter("story-units", "Units", "story.used", Aggregation.SUM, "value")
TEN_CENTS = {"type": "per_unit", "unit_price": "0.10"}
FIFTY_CENTS = {"type": "per_unit", "unit_price": "0.50"}
# A hundred are free, then ten cents, then five.
TIERS = {
    "type": "graduated",
    "tiers": [
        {"up_to": 100, "unit_price": "0"},
        {"up_to": 200, "unit_price": "0.10"},
        {"up_to": None, "unit_price": "0.05"},
    ],
}


class Item(NamedTuple):
    """A line of an invoice: of what kind, how much, minor units after discounts."""

    kind: str
    quantity: Decimal
    net: int


async def hybrid(stage: Stage, price: dict[str, Any] = TEN_CENTS, **more: Any) -> str:
    """Ten dollars a period in advance, and units in arrears."""
    await meters.create(stage.engine, UNITS)
    charge = {"code": "units", "name": "Units", "meter": UNITS.code, "prices": {"USD": price}}
    fields = {"interval": MONTH, "prices": {"USD": {"type": "flat", "amount": "10.00"}}} | more
    return await stage.plan("hybrid", charges=(charge,), **fields)


async def use(stage: Stage, sub: str, moment: str, units: int) -> None:
    await stage.use(sub, UNITS.event, at(moment), units)


async def invoices(stage: Stage, sub: str) -> list[list[Item]]:
    rows = await stage.rows(
        "SELECT i.id, l.kind, l.quantity, l.net FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id "
        "WHERE i.subscription_id = :id ORDER BY i.issued_at, i.number, l.position",
        id=sub,
    )
    found: dict[str, list[Item]] = {}
    for invoice, kind, quantity, net in rows:
        found.setdefault(invoice, []).append(Item(kind, quantity, net))
    return list(found.values())


async def used_periods(stage: Stage, sub: str) -> list[tuple[datetime, datetime]]:
    rows = await stage.rows(
        "SELECT l.period_start, l.period_end FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id "
        "WHERE i.subscription_id = :id AND l.kind = 'usage' ORDER BY i.issued_at, i.number, l.position",
        id=sub,
    )
    return [tuple(row) for row in rows]


def plan(net: int = 1000) -> Item:
    return Item("plan", Decimal(1), net)


def units(quantity: int, net: int) -> Item:
    return Item("usage", Decimal(quantity), net)


async def test_what_was_used_comes_with_the_renewal(stage: Stage) -> None:
    """An event at the very boundary belongs to the period that begins there."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage))
    await stage.advance(clock, "2026-02-20 00:00")
    await use(stage, sub, "2026-02-01 00:00", 30)
    await use(stage, sub, "2026-02-20 00:00", 20)
    await stage.advance(clock, "2026-03-01 00:00")
    await use(stage, sub, "2026-03-01 00:00", 7)
    assert await invoices(stage, sub) == [[plan()], [plan(), units(50, 500)]]
    await stage.advance(clock, "2026-05-01 00:00")
    assert (await invoices(stage, sub))[2:] == [[plan(), units(7, 70)], [plan()]]
    assert await used_periods(stage, sub) == [
        (at("2026-02-01 00:00"), at("2026-03-01 00:00")),
        (at("2026-03-01 00:00"), at("2026-04-01 00:00")),
    ]
    await stage.once_each(sub)


async def test_the_same_event_again_changes_nothing(stage: Stage) -> None:
    """Not even with another number in it: the first one counts."""
    clock = await stage.clock("2026-02-02 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage))
    fields: dict[str, Any] = {"id": uuid4().hex, "customer_id": stage.owners[sub], "name": UNITS.event}
    event = NewEvent(**fields, at=at("2026-02-02 00:00"), properties={"value": 5})
    again = NewEvent(**fields, at=at("2026-02-02 00:00"), properties={"value": 500})
    told = [await usage.ingest(stage.engine, events) for events in ([event, event], [again])]
    assert [(each.accepted, each.duplicates) for each in told] == [(1, 1), (0, 1)]
    await stage.advance(clock, "2026-03-02 00:00")
    assert await invoices(stage, sub) == [[plan()], [plan(), units(5, 50)]]


async def test_a_change_of_plan_charges_each_stretch_as_it_was_agreed(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage))
    await stage.advance(clock, "2026-02-15 00:00")
    await use(stage, sub, "2026-02-10 00:00", 10)
    await stage.send(sub, "change_plan", plan=await hybrid(stage, FIFTY_CENTS))
    await use(stage, sub, "2026-02-15 00:00", 20)
    await stage.advance(clock, "2026-03-02 00:00")
    # Late for the old stretch, and at the old price.
    await use(stage, sub, "2026-02-14 00:00", 1)
    await stage.advance(clock, "2026-04-01 00:00")
    found = [[item for item in invoice if item.kind == "usage"] for invoice in await invoices(stage, sub)]
    assert [used for used in found if used] == [[units(10, 100), units(20, 1000)], [units(1, 10)]]
    boundaries = at("2026-02-01 00:00"), at("2026-02-15 00:00"), at("2026-03-01 00:00")
    assert (await used_periods(stage, sub))[:2] == [boundaries[:2], boundaries[1:]]


async def test_the_end_of_the_period_is_followed_by_a_last_invoice(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage))
    await stage.send(sub, "cancel", when=When.PERIOD_END)
    await stage.advance(clock, "2026-02-28 00:00")
    await use(stage, sub, "2026-02-28 00:00", 3)
    await stage.advance(clock, "2026-03-02 00:00")
    assert await invoices(stage, sub) == [[plan()], [units(3, 30)]]
    await stage.once_each(sub)


async def test_coupons_reach_usage_after_the_plan(stage: Stage) -> None:
    """Twelve dollars off: ten of the plan, the two that are left of what was used."""
    coupon = await stage.coupon(amount_off=1200, currency="USD", duration_periods=2)
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage), coupons=(coupon,))
    await stage.advance(clock, "2026-02-02 00:00")
    await use(stage, sub, "2026-02-02 00:00", 50)
    await stage.advance(clock, "2026-03-02 00:00")
    await use(stage, sub, "2026-03-02 00:00", 50)
    await stage.advance(clock, "2026-04-01 00:00")
    assert await invoices(stage, sub) == [[plan(0)], [plan(0), units(50, 300)], [plan(), units(50, 500)]]
    stated = await stage.rows(
        "SELECT discounts FROM invoices WHERE subscription_id = :id ORDER BY issued_at, number", id=sub
    )
    assert [row.discounts for row in stated] == [
        [{"coupon": coupon, "amount": 1000, "unused": 200}],
        [{"coupon": coupon, "amount": 1200, "unused": 0}],
        [],
    ]


async def test_a_percentage_is_taken_off_usage_as_well(stage: Stage) -> None:
    coupon = await stage.coupon(percent_off=Decimal(50))
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage), coupons=(coupon,))
    await stage.advance(clock, "2026-02-02 00:00")
    await use(stage, sub, "2026-02-02 00:00", 50)
    await stage.advance(clock, "2026-03-01 00:00")
    assert (await invoices(stage, sub))[1] == [plan(500), units(50, 250)]


async def test_nothing_that_is_used_in_a_trial_is_charged(stage: Stage) -> None:
    """Not even what is told afterwards."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage, trial_days=14))
    await stage.advance(clock, "2026-02-10 00:00")
    await use(stage, sub, "2026-02-10 00:00", 100)
    await stage.advance(clock, "2026-02-20 00:00")
    await use(stage, sub, "2026-02-11 00:00", 100)
    await use(stage, sub, "2026-02-15 00:00", 10)
    await stage.advance(clock, "2026-04-15 00:00")
    assert await invoices(stage, sub) == [[plan()], [plan(), units(10, 100)], [plan()]]


async def test_what_is_used_in_a_gifted_period_is_charged_with_the_next_invoice(stage: Stage) -> None:
    """The gift pays for the plan. Each period is counted on its own."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage, TIERS))
    await stage.send(sub, "gift", gift_id=f"gift_{uuid4().hex}", periods=1)
    await stage.advance(clock, "2026-02-10 00:00")
    await use(stage, sub, "2026-02-10 00:00", 110)
    await stage.advance(clock, "2026-03-10 00:00")
    await use(stage, sub, "2026-03-10 00:00", 120)
    assert len(await invoices(stage, sub)) == 1
    await stage.advance(clock, "2026-04-02 00:00")
    assert await invoices(stage, sub) == [[plan()], [plan(), units(110, 100), units(120, 200)]]


async def test_what_is_used_in_a_pause_is_charged(stage: Stage) -> None:
    """A pause moves the end of the period; usage that happened happened."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage))
    await stage.advance(clock, "2026-02-10 00:00")
    await use(stage, sub, "2026-02-09 00:00", 1)
    await stage.send(sub, "pause")
    await stage.advance(clock, "2026-02-20 00:00")
    await use(stage, sub, "2026-02-15 00:00", 10)
    await stage.send(sub, "resume")
    await use(stage, sub, "2026-02-20 00:00", 100)
    await stage.advance(clock, "2026-03-11 00:00")
    assert await invoices(stage, sub) == [[plan()], [plan(), units(111, 1110)]]
    assert await used_periods(stage, sub) == [(at("2026-02-01 00:00"), at("2026-03-11 00:00"))]


async def test_a_yearly_plan_charges_usage_once_a_year(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage, interval=Interval(IntervalUnit.YEAR)))
    await stage.advance(clock, "2026-12-31 00:00")
    for moment in ("2026-03-01 00:00", "2026-12-31 00:00"):
        await use(stage, sub, moment, 11)
    await stage.advance(clock, "2027-02-02 00:00")
    assert await invoices(stage, sub) == [[plan()], [plan(), units(22, 220)]]


async def test_of_several_subscriptions_one_must_be_named(stage: Stage) -> None:
    """Of one that has ended and one that lives it is the living one; when none lives, nobody is charged."""
    clock = await stage.clock("2026-02-01 00:00")
    code = await hybrid(stage, allow_multiple=True)
    first = await stage.subscribe(clock, code)
    customer = stage.owners[first]
    new = NewSubscription(customer_id=customer, plan=code, currency="USD", test_clock_id=clock)
    second = (await subscriptions.create(stage.engine, new)).id

    def event() -> NewEvent:
        moment = at("2026-02-01 00:00")
        return NewEvent(id=uuid4().hex, customer_id=customer, name=UNITS.event, at=moment, properties={"value": 1})

    with pytest.raises(WrongEvents) as refused:
        await usage.ingest(stage.engine, [event()])
    assert refused.value.field == "events[0].subscription_id"
    await stage.advance(clock, "2026-02-02 00:00")
    await stage.send(first, "cancel", when=When.NOW)
    told = [await usage.ingest(stage.engine, [event()])]
    await stage.send(second, "cancel", when=When.NOW)
    told.append(await usage.ingest(stage.engine, [event()]))
    assert [(each.accepted, each.unattributed) for each in told] == [(1, 0), (1, 1)]
    assert [await invoices(stage, sub) for sub in (first, second)] == [[[plan()]], [[plan()], [units(1, 10)]]]


@pytest.mark.parametrize("moment", ["2026-02-02 00:01", "2026-03-01 00:00"])
async def test_the_future_is_not_known(stage: Stage, moment: str) -> None:
    """On a test clock the present is where it stands."""
    clock = await stage.clock("2026-02-02 00:00")
    sub = await stage.subscribe(clock, await hybrid(stage))
    with pytest.raises(WrongEvents) as refused:
        await use(stage, sub, moment, 1)
    assert refused.value.field == "events[0].at"
    kept = await stage.rows("SELECT id FROM usage_events WHERE subscription_id = :id", id=sub)
    assert kept == []
