"""What a review of the running engine found: races of two callers, late writers, lost runs."""

import asyncio
import time
from dataclasses import replace

import pytest

from perennial.contracts.activities import GiftRecord, Record
from perennial.db.engine import unit_of_work
from perennial.db.models import Gift
from perennial.db.repositories import gifts as gift_rows
from perennial.db.repositories import records
from perennial.domain.coupons import CouponTerms
from perennial.domain.errors import AlreadySubscribed, CommandRefused, Conflict, SubscriptionEnded
from perennial.domain.gift import GiftStatus
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.commands import When
from perennial.engine import coupons, gifts, runs, subscriptions
from perennial.engine.context import Engine
from perennial.engine.gifts import NewGift
from perennial.engine.subscriptions import NewSubscription
from tests.faults.test_reset import reset, resettable
from tests.support.retold import caught_up, comparable
from tests.support.stage import Stage, at, eventually


async def _bought(stage: Stage, giver: str, **more: object) -> Gift:
    new = NewGift(
        giver_id=giver,
        plan="basic-monthly",
        currency="USD",
        periods=2,
        recipient_email="eve@example.com",
        recipient_name="Eve",
    )
    return await gifts.buy(stage.engine, replace(new, **more))  # type: ignore[arg-type]


async def test_a_gift_that_two_claim_at_once_goes_to_one_and_the_other_is_told(engine: Engine) -> None:
    """The second broke on the unique index and was told of an internal error."""
    stage = Stage(engine)
    gift = await _bought(stage, await stage.customer())
    people = [await stage.customer(card=None) for _ in range(4)]
    claims = [gifts.claim(engine, gift.claim_code, person) for person in people]
    answers = await asyncio.gather(*claims, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert [answer.code for answer in refused if isinstance(answer, CommandRefused)] == ["gift_not_claimable"] * 3
    assert (await gifts.get(engine, gift.id)).status == GiftStatus.CLAIMED


async def test_a_caller_with_an_old_row_does_not_bring_an_ended_subscription_back(engine: Engine) -> None:
    """Between its look at the row and its update somebody canceled: it started a workflow from what it had seen."""
    stage = Stage(engine)
    sub = await stage.subscribe(None)
    row = await subscriptions.get(engine, sub)
    await stage.send(sub, "cancel", when=When.NOW)
    await asyncio.wait_for(stage.handle(sub).result(), 10)
    late = c.SkipNext(request_id="req_late", at=engine.clock())
    with pytest.raises(SubscriptionEnded):
        await runs.update(engine, row, "skip_next", late)
    assert (await subscriptions.get(engine, sub)).status == "canceled"


async def test_a_repeated_creation_answers_at_once_also_after_a_renewal(engine: Engine) -> None:
    """A renewal that succeeds is not written down again: it looked as if the first payment were still under way."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    new = NewSubscription(
        customer_id=await stage.customer(), plan="basic-monthly", currency="USD", test_clock_id=clock, id="sub_repeated"
    )
    await subscriptions.create(engine, new)
    await stage.advance(clock, "2026-03-15 10:00")
    begun = time.monotonic()
    view = await subscriptions.create(engine, new)
    assert time.monotonic() - begun < subscriptions.OUTCOME_TIMEOUT_SECONDS / 2
    assert view.status == "active"


async def test_a_plan_is_not_held_twice_by_way_of_a_reactivation_or_a_change(engine: Engine) -> None:
    stage = Stage(engine)
    old = await stage.subscribe(None)
    customer = stage.owners[old]
    await stage.send(old, "cancel", when=When.NOW)
    new = NewSubscription(customer_id=customer, plan="basic-monthly", currency="USD")
    held = await subscriptions.create(engine, new)
    with pytest.raises(AlreadySubscribed):
        await stage.send(old, "reactivate")
    other = await subscriptions.create(engine, replace(new, plan="premium-monthly"))
    with pytest.raises(AlreadySubscribed):
        await stage.send(other.id, "change_plan", plan="basic-monthly")
    await stage.send(held.id, "cancel", when=When.NOW)
    assert (await stage.send(old, "reactivate", request_id="req_again")).status == "active"
    assert (await stage.send(old, "reactivate", request_id="req_again")).status == "active"


async def test_a_writer_who_is_late_changes_no_span(engine: Engine) -> None:
    """A frozen worker that wakes up wrote the span of its step over the one that a cancellation had cut off."""
    stage = Stage(engine)
    sub = await stage.subscribe(None)
    first = records.load_state((await subscriptions.get(engine, sub)).state)
    await stage.send(sub, "cancel", when=When.NOW)
    row = await subscriptions.get(engine, sub)
    late = Record(first, spans=(first.span,))
    query = "SELECT starts_at, ends_at FROM service_spans WHERE subscription_id = :id ORDER BY 1"
    before = await stage.rows(query, id=sub)
    with unit_of_work(engine.sessions) as session:
        records.write(session, late, first.as_of, row.run_id)
    assert await stage.rows(query, id=sub) == before


async def test_a_gift_whose_purchase_was_rolled_back_is_not_charged(engine: Engine) -> None:
    """Its workflow had begun inside the transaction, found no row to write to, and took the money all the same."""
    stage = Stage(engine)
    gift = await _bought(stage, await stage.customer())
    state = gift_rows.load_state(gift.state)
    orphan = replace(state, id="gift_without_row")
    with unit_of_work(engine.sessions) as session, pytest.raises(LookupError):
        gift_rows.write(session, GiftRecord(orphan), state.as_of, "run")


async def test_a_gift_whose_run_was_lost_before_the_charge_is_charged_by_the_next_one(engine: Engine) -> None:
    """It waited for a payment that nobody had asked for, and could not be canceled either."""
    stage = Stage(engine)
    giver = await stage.customer(card="pm_card_authenticationRequired")
    gift = await _bought(stage, giver, id="gift_lost_run")
    assert gift.status == GiftStatus.PENDING
    await stage.handle(gift.id).terminate()
    await stage.execute("UPDATE gifts SET id = 'gift_lost_again', claim_code = 'LOST' WHERE id = 'gift_lost_run'")
    state = replace(gift_rows.load_state(gift.state), id="gift_lost_again", step=1)
    await gifts._start(engine, state)  # a run from the row, as after a termination

    async def charged() -> bool:
        return bool(await stage.rows("SELECT 1 FROM invoices WHERE gift_id = 'gift_lost_again'"))

    await eventually(charged)


async def test_a_crowd_of_news_does_not_push_out_an_answer_that_is_waited_for(engine: Engine) -> None:
    """Sixty webhooks were answered in one go, and with them the last fifty answers were full: the caller hung."""
    stage = Stage(engine)
    sub = await stage.subscribe(None, card="pm_card_slow_2000", plan="team-monthly")
    slow = asyncio.create_task(stage.send(sub, "change_quantity", quantity=3))

    async def busy() -> bool:
        return (await stage.progress(sub)).busy

    await eventually(busy)
    coupon = await stage.coupon(amount_off=5, currency="USD")
    asked = asyncio.create_task(stage.send(sub, "apply_coupon", coupon=coupon))
    await asyncio.sleep(0.3)
    for n in range(60):
        news = c.PaymentEvent(request_id=f"news_{n}", invoice=f"invoice:{sub}:9:period", attempt=1)
        await stage.handle(sub).signal("payment_event", news)
    assert (await asyncio.wait_for(slow, 15)).quantity == 3
    assert (await asyncio.wait_for(asked, 15)).coupons == (coupon,)


async def test_dunning_counts_from_the_same_day_when_a_withdrawn_attempt_is_told_again(engine: Engine) -> None:
    """The attempt that waited for the customer was withdrawn two days later: a reset counted from that day."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    for token, day in (
        ("pm_card_authenticationRequired", "2026-03-02 10:00"),
        ("pm_card_chargeDeclinedInsufficientFunds", "2026-03-04 10:00"),
    ):
        card = await stage.card(stage.owners[sub], token)
        await stage.send(sub, "set_payment_method", payment_method_id=card)
        now = await stage.advance(clock, day)
    before = comparable(await caught_up(stage, sub, clock, now))
    assert before.collection
    assert f"{before.collection.first_failed_at:%Y-%m-%d}" == "2026-02-28"
    run, event = (await resettable(stage, sub))[0]
    await reset(engine, sub, run, event)
    assert comparable(await caught_up(stage, sub, clock, now)) == before


async def test_a_coupon_that_two_create_at_once_is_one(engine: Engine) -> None:
    made = [coupons.create(engine, CouponTerms(code="TWICE", amount_off=5, currency="USD")) for _ in range(4)]
    answers = await asyncio.gather(*made, return_exceptions=True)
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True, True, True]


async def test_a_gift_whose_run_was_lost_is_delivered_when_its_clock_moves(engine: Engine) -> None:
    """Only subscriptions were repaired: the clock went on without it, and the gift was never delivered."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    gift = await _bought(
        stage, await stage.customer(), test_clock_id=clock, deliver_at=at("2026-02-10 10:00"), id="gift_of_a_lost_run"
    )
    await stage.handle(gift.id).terminate()
    await stage.advance(clock, "2026-02-20 10:00")
    assert (await gifts.get(engine, gift.id)).status == GiftStatus.DELIVERED
