"""Coupons at checkout and at renewal: who gets one, what it takes off, and what becomes of it."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from perennial.db.repositories import coupons as redemptions
from perennial.domain.coupons import AlreadyRedeemed, CouponExhausted, FirstTimeOnly
from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.domain.subscription.commands import When
from perennial.engine import coupons, subscriptions
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import Stage, at

HALF = Decimal(50)


async def check_out(stage: Stage, clock: str | None, *codes: str, customer: str | None = None, **more: Any) -> str:
    customer = customer or await stage.customer()
    fields = {"plan": "basic-monthly", "currency": "USD"} | more
    new = NewSubscription(customer_id=customer, coupons=codes, test_clock_id=clock, **fields)
    view = await subscriptions.create(stage.engine, new)
    stage.owners[view.id] = customer
    return view.id


async def totals(stage: Stage, sub: str) -> list[int]:
    return [bill.total for bill in await stage.bills(sub)]


async def redeemed(stage: Stage, code: str) -> int:
    coupon = await coupons.get(stage.engine, code)
    [(in_force,)] = await stage.rows(
        "SELECT count(*) FROM coupon_redemptions WHERE coupon_code = :code AND released_at IS NULL", code=code
    )
    assert coupon.redeemed == in_force
    return coupon.redeemed


async def stated(stage: Stage, sub: str) -> list[list[tuple[str, int, int]]]:
    """(coupon, amount, unused) of each invoice."""
    found = await stage.rows(
        "SELECT discounts FROM invoices WHERE subscription_id = :id ORDER BY issued_at, number", id=sub
    )
    return [[(each["coupon"], each["amount"], each["unused"]) for each in discounts] for (discounts,) in found]


async def test_as_many_check_out_with_it_as_it_allows(stage: Stage) -> None:
    """Who comes too late has bought nothing."""
    code = await stage.coupon(percent_off=HALF, max_redemptions=2)
    customers = [await stage.customer() for _ in range(5)]
    answers = await asyncio.gather(
        *(check_out(stage, None, code, customer=customer) for customer in customers), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, CouponExhausted)]
    bought = [answer for answer in answers if isinstance(answer, str)]
    assert (len(bought), len(refused), await redeemed(stage, code)) == (2, 3, 2)
    [(rows,)] = await stage.rows("SELECT count(*) FROM subscriptions WHERE customer_id = ANY(:ids)", ids=customers)
    assert rows == 2
    assert [await totals(stage, sub) for sub in bought] == [[450], [450]]


async def test_a_crowd_with_the_same_two_does_not_stand_in_its_own_way(stage: Stage) -> None:
    """Half of it names them the other way round."""
    codes = [await stage.coupon(percent_off=HALF, combinable=True) for _ in range(2)]
    customers = [await stage.customer() for _ in range(10)]
    orders = [codes if n % 2 else codes[::-1] for n in range(10)]
    made = await asyncio.gather(
        *(check_out(stage, None, *order, customer=one) for one, order in zip(customers, orders, strict=True))
    )
    assert [await totals(stage, sub) for sub in made] == [[225]] * 10
    assert [await redeemed(stage, code) for code in codes] == [10, 10]


async def test_it_goes_on_when_nobody_can_redeem_it_any_more(stage: Stage) -> None:
    """Redeemed on 1 February for two periods; it expires on 2 February and is archived."""
    clock = await stage.clock("2026-02-01 10:00")
    code = await stage.coupon(percent_off=HALF, duration_periods=2, expires_at=at("2026-02-02 00:00"))
    sub = await check_out(stage, clock, code)
    await coupons.archive(stage.engine, code)
    await stage.advance(clock, "2026-04-01 10:00")
    assert await totals(stage, sub) == [450, 450, 900]


async def test_one_applied_at_renewal_is_redeemed_once(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 10:00")
    code = await stage.coupon(percent_off=HALF, duration_periods=1)
    sub = await stage.subscribe(clock)
    await stage.send(sub, "apply_coupon", coupon=code, request_id="req_half")
    await stage.send(sub, "apply_coupon", coupon=code, request_id="req_half")
    with pytest.raises(AlreadyRedeemed):
        await stage.send(sub, "apply_coupon", coupon=code)
    await stage.advance(clock, "2026-04-01 10:00")
    with pytest.raises(AlreadyRedeemed):
        await stage.send(sub, "apply_coupon", coupon=code)
    assert await totals(stage, sub) == [900, 450, 900]
    assert await redeemed(stage, code) == 1


async def test_a_refused_command_gives_its_redemption_back(stage: Stage) -> None:
    """One that stands alone is in force; the last redemption of the other one is free again."""
    clock = await stage.clock("2026-02-01 10:00")
    alone = await stage.coupon(percent_off=HALF)
    scarce = await stage.coupon(percent_off=HALF, max_redemptions=1, combinable=True)
    sub = await check_out(stage, clock, alone)
    with pytest.raises(CommandRefused) as refused:
        await stage.send(sub, "apply_coupon", coupon=scarce)
    assert refused.value.code == "already_discounted"
    assert await redeemed(stage, scarce) == 0
    assert await totals(stage, await check_out(stage, clock, scarce)) == [450]


async def test_what_was_applied_is_not_given_back(stage: Stage) -> None:
    """A request that comes again when its subscription does not answer any more is refused; its coupon was used."""
    clock = await stage.clock("2026-02-01 10:00")
    code = await stage.coupon(percent_off=HALF)
    sub = await stage.subscribe(clock)
    await stage.send(sub, "apply_coupon", coupon=code, request_id="req_in_time")
    await stage.engine.write(lambda session: redemptions.release(session, "req_in_time"))
    assert await redeemed(stage, code) == 1


async def test_several_are_applied_in_their_order_and_what_is_unused_is_stated(stage: Stage) -> None:
    """9.00 less a half is 4.50; of 5.00 off then 0.50 finds nothing left. The other way round 4.00 and half of it."""
    clock = await stage.clock("2026-02-01 10:00")
    half = await stage.coupon(percent_off=HALF, combinable=True)
    five = await stage.coupon(amount_off=500, currency="USD", combinable=True)
    sub = await check_out(stage, clock, half, five)
    assert (await totals(stage, sub), await stated(stage, sub)) == ([0], [[(half, 450, 0), (five, 450, 50)]])
    other = await check_out(stage, clock, five, half)
    assert (await totals(stage, other), await stated(stage, other)) == ([200], [[(five, 500, 0), (half, 200, 0)]])


async def test_on_a_plan_that_it_is_not_for_it_rests(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 10:00")
    code = await stage.coupon(percent_off=HALF, plans=("basic-monthly",))
    with pytest.raises(InvalidInput, match="not for plan"):
        await check_out(stage, clock, code, plan="standard-monthly")
    sub = await check_out(stage, clock, code)
    await stage.send(sub, "change_plan", plan="standard-monthly", when=When.PERIOD_END)
    await stage.advance(clock, "2026-03-01 10:00")
    await stage.send(sub, "change_plan", plan="basic-monthly", when=When.PERIOD_END)
    await stage.advance(clock, "2026-04-01 10:00")
    full = (await stage.bills(sub))[1].total
    assert await totals(stage, sub) == [450, full, 450]
    assert await stated(stage, sub) == [[(code, 450, 0)], [], [(code, 450, 0)]]


async def test_the_first_time_is_once(stage: Stage) -> None:
    """Neither after a payment nor for two subscriptions at once."""
    clock = await stage.clock("2026-02-01 10:00")
    code = await stage.coupon(percent_off=HALF, first_time_only=True)
    sub = await check_out(stage, clock, code, plan="trial-monthly")
    customer = stage.owners[sub]
    with pytest.raises(FirstTimeOnly):
        await check_out(stage, clock, code, customer=customer)
    paying = await stage.subscribe(clock)
    with pytest.raises(FirstTimeOnly):
        await stage.send(paying, "apply_coupon", coupon=code)
    assert await redeemed(stage, code) == 1
