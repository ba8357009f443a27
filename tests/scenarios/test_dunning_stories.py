"""Declined renewals, by each end that a policy knows."""

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.dunning import DunningPolicy, FinalAction, HardDecline
from tests.support.stage import Stage

MONTH = Interval(IntervalUnit.MONTH)
DEAD = "pm_card_declines_charges_2_to_99"


async def _declined(stage: Stage, final: FinalAction, card: str = DEAD) -> tuple[str, str]:
    policy = DunningPolicy((1, 3, 7), 5, final, HardDecline.STOP)
    prices = {"USD": {"type": "flat", "amount": "10.00"}}
    plan = await stage.plan("dunned", interval=MONTH, prices=prices, dunning=policy)
    clock = await stage.clock("2026-04-01 09:00")
    return await stage.subscribe(clock, plan, card=card), clock


async def test_a_card_that_recovers(stage: Stage) -> None:
    """Declined on 1 May and 2 May, paid on 4 May; access was never lost."""
    sub, clock = await _declined(stage, FinalAction.CANCEL, "pm_card_declines_charges_2_to_3")
    await stage.advance(clock, "2026-05-01 12:00")
    view = await stage.view(sub)
    assert (view.status, view.access, view.dunning_attempt, view.decline_code) == (
        "past_due",
        True,
        1,
        "insufficient_funds",
    )
    await stage.advance(clock, "2026-05-04 09:00")
    assert (await stage.view(sub)).status == "active"
    attempts = await stage.rows(
        "SELECT n, status, started_at FROM payment_attempts WHERE key LIKE :key ORDER BY n", key=f"%:{sub}:1:%"
    )
    assert [(row.n, row.status, row.started_at.day) for row in attempts] == [
        (1, "declined", 1),
        (2, "declined", 2),
        (3, "succeeded", 4),
    ]
    await stage.once_each(sub)


@pytest.mark.parametrize(
    ("final", "status", "bill"),
    [
        (FinalAction.CANCEL, "canceled", "uncollectible"),
        (FinalAction.UNPAID, "unpaid", "open"),
        (FinalAction.PAUSE, "paused", "uncollectible"),
        (FinalAction.SKIP, "active", "uncollectible"),
    ],
)
async def test_a_card_that_never_recovers(stage: Stage, final: FinalAction, status: str, bill: str) -> None:
    """Access is suspended on 6 May (grace), the case closes on 8 May (the last retry)."""
    sub, clock = await _declined(stage, final)
    await stage.advance(clock, "2026-05-06 09:00")
    assert not (await stage.view(sub)).access
    await stage.advance(clock, "2026-05-08 09:00")
    view = await stage.view(sub)
    assert (view.status, view.access) == (status, status == "active")
    assert [bill.status for bill in await stage.bills(sub)] == ["paid", bill]
    assert len(await stage.captures(sub)) == 1
    await stage.once_each(sub)


async def test_who_is_unpaid_pays_and_begins_anew(stage: Stage) -> None:
    sub, clock = await _declined(stage, FinalAction.UNPAID)
    await stage.advance(clock, "2026-07-07 09:00")
    card = await stage.card(stage.owners[sub], "pm_card_mastercard")
    view = await stage.send(sub, "set_payment_method", payment_method_id=card)
    assert (view.status, view.period_start.isoformat()) == ("active", "2026-07-07T09:00:00+00:00")
    assert await stage.due_amounts(sub) == [1000, 1000, 1000]
    await stage.once_each(sub)


async def test_who_was_paused_by_dunning_comes_back_with_a_new_period(stage: Stage) -> None:
    sub, clock = await _declined(stage, FinalAction.PAUSE)
    await stage.advance(clock, "2026-06-15 09:00")
    card = await stage.card(stage.owners[sub], "pm_card_mastercard")
    await stage.send(sub, "set_payment_method", payment_method_id=card)
    await stage.send(sub, "resume")
    await stage.advance(clock, "2026-06-15 09:00")
    view = await stage.view(sub)
    assert (view.status, view.period_start.isoformat()) == ("active", "2026-06-15T09:00:00+00:00")
    await stage.once_each(sub)


async def test_a_lost_card_is_not_tried_again(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    lost = await stage.card(stage.owners[sub], "pm_card_chargeDeclinedLostCard")
    await stage.send(sub, "set_payment_method", payment_method_id=lost)
    await stage.advance(clock, "2026-05-14 09:00")
    attempts = await stage.rows("SELECT n FROM payment_attempts WHERE key LIKE :key", key=f"%:{sub}:1:%")
    assert len(attempts) == 1
    await stage.advance(clock, "2026-05-15 09:00")
    assert (await stage.view(sub)).status == "canceled"


async def test_weeks_in_arrears_are_paid_oldest_first(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock, "box-weekly", card="pm_card_declines_charges_2_to_5")
    await stage.advance(clock, "2026-04-22 08:00")
    assert [bill.status for bill in await stage.bills(sub)] == ["paid", "open", "open"]
    await stage.advance(clock, "2026-04-22 10:00")
    assert [bill.status for bill in await stage.bills(sub)] == ["paid"] * 4
    charged = await stage.captures(sub)
    assert [capture.charge_key.split(":")[3] for capture in charged] == ["0", "1", "2", "3"]
    assert (await stage.view(sub)).status == "active"
    await stage.once_each(sub)


async def test_a_first_payment_that_fails_expires_after_23_hours(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock, card="pm_card_chargeDeclined")
    assert (await stage.view(sub)).status == "incomplete"
    await stage.advance(clock, "2026-04-02 08:00")
    assert (await stage.view(sub)).status == "expired"
    assert [bill.status for bill in await stage.bills(sub)] == ["void"]
    assert not any((await stage.books(sub)).values())
