"""The lives that are recorded: each plays on the running engine and answers with the workflows to be written.

A new command, activity or kind of due thing belongs into one of them; `test_replay.py` notices when it is missing.
"""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import RefundPolicy
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy, FinalAction, HardDecline
from perennial.domain.errors import CommandRefused
from perennial.domain.subscription.commands import When
from perennial.domain.subscription.state import Discount
from perennial.engine import gifts
from tests.replay import gift_lives, many_lives, money_lives
from tests.replay.scene import Life, Takes, authenticate, buy_gift, coupon, this_run
from tests.support.stage import Stage, at, eventually

MONTH = Interval(IntervalUnit.MONTH)
FLAT = {"USD": {"type": "flat", "amount": "10.00"}}


async def monthly_changes(stage: Stage) -> Takes:
    """An upgrade at once, a downgrade and a change of seats at the end of the period, and another at once."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "basic-monthly")
    await stage.advance(clock, "2026-03-10 10:00")
    await stage.send(sub, "change_plan", plan="standard-monthly")
    await stage.advance(clock, "2026-04-10 10:00")
    await stage.send(sub, "change_plan", plan="team-monthly", when=When.PERIOD_END, quantity=3)
    await stage.advance(clock, "2026-05-10 10:00")
    await stage.send(sub, "change_quantity", quantity=5)
    await stage.advance(clock, "2026-06-10 10:00")
    await stage.send(sub, "change_quantity", quantity=2)
    await stage.advance(clock, "2026-08-10 10:00")
    return {"": stage.handle(sub)}


async def pauses(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-03-10 10:00")
    await stage.send(sub, "pause", until=at("2026-04-20 10:00"))
    await stage.advance(clock, "2026-05-10 10:00")
    await stage.send(sub, "pause", when=When.PERIOD_END)
    await stage.advance(clock, "2026-07-30 10:00")
    await stage.send(sub, "resume")
    await stage.advance(clock, "2026-10-10 10:00")
    return {"": stage.handle(sub)}


async def canceled_at_period_end(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, timezone="America/New_York")
    await stage.send(sub, "cancel")
    await stage.advance(clock, "2026-02-01 10:00")
    await stage.send(sub, "undo_cancel")
    await stage.advance(clock, "2026-03-01 10:00")
    await stage.send(sub, "cancel", reason="too_expensive")
    await stage.advance(clock, "2026-05-01 10:00")
    return {"": stage.handle(sub)}


async def canceled_now(stage: Stage) -> Takes:
    """The cancellation ends the first run; the reactivation starts another one from the row."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-03-01 10:00")
    first = await this_run(stage, sub)
    await stage.send(sub, "cancel", when=When.NOW, refund=RefundPolicy.PRORATED)
    await first.result()
    await stage.advance(clock, "2026-04-01 10:00")
    await stage.send(sub, "reactivate")
    await stage.advance(clock, "2026-06-10 10:00")
    return {"": first, "reactivated": stage.handle(sub)}


async def yearly(stage: Stage) -> Takes:
    """Reminded before each renewal."""
    clock = await stage.clock("2024-02-29 10:00")
    sub = await stage.subscribe(clock, "standard-yearly", timezone="Europe/Berlin")
    await stage.advance(clock, "2027-03-10 10:00")
    return {"": stage.handle(sub)}


async def dunning_recovered(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_3")
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def dunning_canceled(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_99")
    await stage.advance(clock, "2026-02-20 10:00")
    with pytest.raises(CommandRefused):
        await stage.send(sub, "pause")
    await stage.send(sub, "retry_payment")
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def unpaid(stage: Stage) -> Takes:
    """A short grace, a long dunning, and a card that dies for good; then another one, and what is owed is paid."""
    policy = DunningPolicy((1, 3, 7), 2, FinalAction.UNPAID, HardDecline.STOP)
    plan = await stage.plan("unpaid", interval=MONTH, prices=FLAT, dunning=policy)
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, plan, card="pm_card_declines_charges_2_to_9")
    await stage.advance(clock, "2026-03-01 10:00")
    card = await stage.card(stage.owners[sub], "pm_card_visa")
    await stage.send(sub, "set_payment_method", payment_method_id=card)
    await stage.advance(clock, "2026-05-01 10:00")
    return {"": stage.handle(sub)}


async def dead_card(stage: Stage) -> Takes:
    """A hard decline waits for another payment method."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_dies_after_1")
    await stage.advance(clock, "2026-02-20 10:00")
    card = await stage.card(stage.owners[sub], "pm_card_mastercard")
    await stage.send(sub, "set_payment_method", payment_method_id=card)
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def trial_with_card(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "premium-monthly")
    await stage.send(sub, "extend_trial", until=at("2026-02-10 10:00"))
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def trial_without_card(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "trial-monthly", card=None)
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def three_d_secure(stage: Stage) -> Takes:
    """The first payment waits for the customer, and the gateway's word that it is paid."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_threeDSecureOnce")
    await authenticate(stage, sub)
    invoice = (await stage.bills(sub))[-1].key
    await stage.send(sub, "payment_event", invoice=invoice, attempt=1)
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def never_paid(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_chargeDeclined")
    await stage.advance(clock, "2026-04-01 10:00")
    return {"": stage.handle(sub)}


async def coupon_and_skip(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "box-weekly", coupons=(await coupon(stage, "HALF", 50, 2),))
    await stage.send(sub, "skip_next")
    await stage.advance(clock, "2026-02-14 10:00")
    await stage.send(sub, "apply_coupon", coupon=await coupon(stage, "FIFTH", 20, None))
    await stage.advance(clock, "2026-03-10 10:00")
    return {"": stage.handle(sub)}


async def refusals(stage: Stage) -> Takes:
    """Two at once: the second cannot be refused by the validator, and so it stands in history."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_slow_300")
    sent = [
        stage.send(sub, "change_plan", plan="standard-monthly"),
        stage.send(sub, "change_plan", plan="standard-monthly"),
        stage.send(sub, "resume"),
    ]
    answers = await asyncio.gather(*sent, return_exceptions=True)
    assert any(isinstance(answer, CommandRefused) for answer in answers)
    await stage.signal(sub, "resume", at("2026-01-15 10:00"))
    await stage.advance(clock, "2026-03-01 10:00")
    return {"": stage.handle(sub)}


async def signals(stage: Stage) -> Takes:
    """Every command as a signal; the first without a request id, as an operator types it."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card="pm_card_declines_charges_2_to_2", trial_days=14)
    card = await stage.card(stage.owners[sub], "pm_card_visa:other")

    async def tell(moment: str, name: str, **fields: Any) -> None:
        now = at(moment)
        await stage.advance(clock, now)
        step = (await stage.state(sub)).step
        await stage.signal(sub, name, now, **fields)

        async def told() -> bool:
            progress = await stage.progress(sub)
            return not progress.busy and (await stage.state(sub)).step > step

        await eventually(told)

    await tell("2026-01-16 10:00", "extend_trial", until=at("2026-02-10 10:00"), request_id="")
    await tell("2026-02-11 10:00", "change_quantity", quantity=2)
    await tell("2026-02-11 18:00", "retry_payment")
    await tell("2026-02-13 10:00", "change_plan", plan="standard-monthly")
    invoice = (await stage.bills(sub))[-1].key
    await tell("2026-02-14 10:00", "payment_event", invoice=invoice, attempt=1)
    await tell("2026-02-15 10:00", "pause")
    await tell("2026-02-16 10:00", "resume")
    await tell("2026-02-17 10:00", "apply_coupon", discount=Discount("HALF", percent=Decimal(50), periods_left=1))
    await tell("2026-02-18 10:00", "skip_next")
    await tell("2026-02-19 10:00", "set_payment_method", payment_method_id=card)
    await tell("2026-02-20 10:00", "gift", gift_id="gift_by_signal", periods=1)
    await tell("2026-02-21 10:00", "credit_invoice", invoice=invoice, amount=100)
    await tell("2026-02-22 10:00", "give_up_invoice", invoice=invoice)
    await tell("2026-02-23 10:00", "record_payment", invoice=invoice, reference="BANK 1")
    await tell("2026-02-24 10:00", "change_addons", addons=())
    await tell("2026-02-25 10:00", "set_dunning", policy=replace(DEFAULT_POLICY, retry_hour=9))
    await tell("2026-07-01 10:00", "cancel")
    await tell("2026-07-02 10:00", "undo_cancel")
    await tell("2026-07-03 10:00", "reactivate")
    await stage.advance(clock, "2026-09-01 10:00")
    assert (await stage.timeline(sub)).count("refused") == 4
    return {"": stage.handle(sub)}


async def three_years(stage: Stage) -> Takes:
    """Longer than a run may be: it is continued as new."""
    clock = await stage.clock("2024-01-31 10:00")
    sub = await stage.subscribe(clock, timezone="Asia/Tokyo")
    await stage.advance(clock, "2027-02-10 10:00")
    return {"": stage.handle(sub)}


async def terminated(stage: Stage) -> Takes:
    """Twice: at rest, when a command starts the next run from the row, and in dunning, when the clock does."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_3_to_4")
    first = await this_run(stage, sub)
    await first.terminate("an operator")
    await stage.send(sub, "change_plan", plan="standard-monthly")
    await stage.advance(clock, "2026-02-16 10:00")
    second = await this_run(stage, sub)
    await second.terminate("an operator")
    await stage.advance(clock, "2026-05-01 10:00")
    return {"": first, "again": second, "restarted": stage.handle(sub)}


async def cancellation_requested(stage: Stage) -> Takes:
    """The button of the Temporal UI changes nothing."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock)
    gift = await buy_gift(stage, clock, await stage.customer())
    for workflow_id in (sub, gift):
        await stage.handle(workflow_id).cancel()
    await stage.advance(clock, "2026-03-01 10:00")
    await gifts.cancel(stage.engine, gift)
    return {"": stage.handle(sub), "gift": stage.handle(gift)}


async def parked(stage: Stage) -> Takes:
    """Two months aside by support, and once more by hand."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    await stage.send(sub, "park")
    await stage.advance(clock, "2026-04-10 10:00")
    await stage.send(sub, "unpark")
    await stage.advance(clock, "2026-05-10 10:00")
    await stage.signal(sub, "park", at("2026-05-10 10:00"))
    await stage.signal(sub, "unpark", at("2026-05-10 10:00"))
    await stage.advance(clock, "2026-06-10 10:00")
    return {"": stage.handle(sub)}


async def machine_time(stage: Stage) -> Takes:
    """Without a test clock."""
    sub = await stage.subscribe(None, "team-monthly")
    await stage.send(sub, "change_quantity", quantity=4)
    await stage.send(sub, "cancel", when=When.NOW, refund=RefundPolicy.FULL)
    await stage.handle(sub).result()
    return {"": stage.handle(sub)}


LIVES: tuple[Life, ...] = (
    monthly_changes,
    pauses,
    canceled_at_period_end,
    canceled_now,
    yearly,
    dunning_recovered,
    dunning_canceled,
    unpaid,
    dead_card,
    trial_with_card,
    trial_without_card,
    three_d_secure,
    never_paid,
    coupon_and_skip,
    refusals,
    signals,
    gift_lives.gift_claimed,
    gift_lives.gift_for_a_subscriber,
    gift_lives.gift_expired,
    gift_lives.gift_canceled,
    gift_lives.gift_never_paid,
    three_years,
    terminated,
    cancellation_requested,
    parked,
    machine_time,
    many_lives.plan_migration,
    many_lives.batch_reset,
    money_lives.net_terms,
    money_lives.disputed,
    money_lives.bookkeeping,
    money_lives.reconciliation,
    money_lives.usage_to_the_end,
    money_lives.one_off_paid,
    money_lives.one_off_sent,
)
