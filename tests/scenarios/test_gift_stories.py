"""Gifts: paid once, delivered, claimed, run without a card, and then gone or converted."""

from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from perennial.contracts.workflows import GIFT, GiftInput
from perennial.db.models import Gift
from perennial.db.repositories.gifts import load_state
from perennial.domain.errors import AlreadySubscribed, GiftNotCancelable, GiftNotClaimable, NotFound, PerennialError
from perennial.domain.gift import ClaimGift, GiftState, GiftStatus
from perennial.engine import gifts
from perennial.engine.gifts import NewGift
from tests.support.stage import Stage, at


async def _buy(stage: Stage, clock: str, card: str = "pm_card_visa", **more: Any) -> Gift:
    given = {"plan": "standard-monthly", "currency": "USD", "periods": 3} | more
    giver = await stage.customer(card)
    new = NewGift(
        giver_id=giver,
        recipient_email="grace@example.com",
        recipient_name="Grace",
        test_clock_id=clock,
        **given,
    )
    gift = await gifts.buy(stage.engine, new)
    stage.owners[gift.id] = giver
    return gift


async def _refused(call: Any) -> str:
    with pytest.raises(PerennialError) as refusal:
        await call
    return refusal.value.code


async def test_a_gift_runs_its_periods_and_expires(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock)
    assert gift.status == "delivered"
    recipient = await stage.customer(None)
    await stage.advance(clock, "2026-04-10 09:00")
    claimed, sub = await gifts.claim(stage.engine, gift.claim_code, recipient)
    assert (claimed.status, claimed.subscription_id) == ("claimed", sub)
    assert (await stage.view(sub)).prepaid_periods == 2
    await stage.advance(clock, "2026-07-03 09:00")
    assert "gift_ending" in await stage.messages(sub)
    await stage.advance(clock, "2026-07-10 09:00")
    view = await stage.view(sub)
    assert (view.status, view.end_reason) == ("expired", "gift_ended")
    assert await stage.bills(sub) == []
    assert [capture.amount for capture in await stage.captures(gift.id)] == [5700]


async def test_a_gift_goes_on_as_a_regular_subscription_with_a_card(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock, periods=1)
    recipient = await stage.customer(None)
    _, sub = await gifts.claim(stage.engine, gift.claim_code, recipient)
    stage.owners[sub] = recipient
    card = await stage.card(recipient, "pm_card_visa")
    await stage.send(sub, "set_payment_method", payment_method_id=card)
    await stage.advance(clock, "2026-06-01 09:00")
    assert (await stage.view(sub)).status == "active"
    assert await stage.due_amounts(sub) == [1900, 1900]
    assert len(await stage.captures(gift.id)) == 1, "the giver is never charged again"
    await stage.once_each(sub)


async def test_a_gift_is_delivered_on_its_day(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock, deliver_at=at("2026-12-24 18:00"))
    recipient = await stage.customer(None)
    assert gift.status == "scheduled"
    assert await _refused(gifts.claim(stage.engine, gift.claim_code, recipient)) == "gift_not_claimable"
    await stage.advance(clock, "2026-12-24 18:00")
    assert (await gifts.get(stage.engine, gift.id)).status == "delivered"
    delivered = await stage.rows(
        "SELECT occurred_at FROM outbox_messages WHERE key LIKE :key", key=f"%gift_delivered%{gift.id}%"
    )
    assert [row.occurred_at for row in delivered] == [at("2026-12-24 18:00")]


async def test_a_gift_can_be_claimed_once_and_by_the_right_people(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift, other = await _buy(stage, clock), await _buy(stage, clock)
    recipient = await stage.customer(None)
    _, sub = await gifts.claim(stage.engine, gift.claim_code.lower(), recipient)
    with pytest.raises(GiftNotClaimable):
        await gifts.claim(stage.engine, gift.claim_code, recipient)
    with pytest.raises(GiftNotClaimable):
        await gifts.claim(stage.engine, gift.claim_code, await stage.customer(None))
    with pytest.raises(AlreadySubscribed):
        await gifts.claim(stage.engine, other.claim_code, recipient)
    with pytest.raises(GiftNotCancelable):
        await gifts.cancel(stage.engine, gift.id)
    with pytest.raises(NotFound):
        await gifts.claim(stage.engine, "AAAA-BBBB-CCCC", recipient)
    assert (await stage.view(sub)).status == "active"
    assert (await gifts.get(stage.engine, other.id)).status == "delivered"


async def _claim(stage: Stage, gift: Gift, when: str) -> ClaimGift:
    """As the workflow is asked, past what the API looks at before."""
    return ClaimGift(
        request_id=f"claim:{when}",
        at=at(when),
        customer_id=await stage.customer(None),
        subscription_id=f"sub_{gift.id}",
        timezone="UTC",
    )


async def test_the_workflow_refuses_by_itself_what_comes_too_early(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock, deliver_at=at("2026-12-24 18:00"))
    early = await _claim(stage, gift, "2026-04-01 09:00")
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await stage.handle(gift.id).execute_update("claim", early, id=early.request_id)
    assert isinstance(refusal.value.cause, ApplicationError)
    assert refusal.value.cause.type == "gift_not_claimable"
    assert (await gifts.get(stage.engine, gift.id)).status == "scheduled"


async def test_what_was_due_before_a_claim_is_done_before_it(stage: Stage) -> None:
    """Its workflow is away on the day of delivery; who claims the gift is the first whom it hears."""
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock, deliver_at=at("2026-12-24 18:00"))
    await stage.handle(gift.id).terminate("in a test")
    state = load_state(gift.state)
    away = replace(state, clock_offset=at("2026-12-25 09:00") - stage.engine.clock())
    claim = await _claim(stage, gift, "2026-12-25 08:00")
    begin = WithStartWorkflowOperation(
        GIFT,
        GiftInput(away),
        id=gift.id,
        task_queue=stage.engine.settings.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    claimed = await stage.engine.temporal.execute_update_with_start_workflow(
        "claim", claim, id=claim.request_id, start_workflow_operation=begin, result_type=GiftState
    )
    assert claimed.status is GiftStatus.CLAIMED
    told = await stage.rows(
        "SELECT kind, at FROM timeline_entries WHERE subject_id = :id AND kind IN ('gift_delivered', 'gift_claimed') "
        "ORDER BY step",
        id=gift.id,
    )
    assert [tuple(row) for row in told] == [
        ("gift_delivered", at("2026-12-24 18:00")),
        ("gift_claimed", at("2026-12-25 08:00")),
    ]


async def test_a_gift_that_is_canceled_is_refunded_whole(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock)
    assert (await gifts.cancel(stage.engine, gift.id)).status == "canceled"
    assert [capture.refunded for capture in await stage.captures(gift.id)] == [5700]
    with pytest.raises(GiftNotClaimable):
        await gifts.claim(stage.engine, gift.claim_code, await stage.customer(None))
    with pytest.raises(GiftNotCancelable):
        await gifts.cancel(stage.engine, gift.id)


async def test_a_gift_that_nobody_claims_expires_after_a_year(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock)
    await stage.advance(clock, "2027-04-01 09:00")
    assert (await gifts.get(stage.engine, gift.id)).status == "expired"
    with pytest.raises(GiftNotClaimable):
        await gifts.claim(stage.engine, gift.claim_code, await stage.customer(None))


async def test_a_gift_whose_payment_fails_is_no_gift(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock, card="pm_card_chargeDeclined")
    assert gift.status == "payment_failed"
    with pytest.raises(GiftNotClaimable):
        await gifts.claim(stage.engine, gift.claim_code, await stage.customer(None))
    assert await stage.captures(gift.id) == []


async def test_a_gift_to_a_card_whose_answer_is_lost_is_charged_once(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    gift = await _buy(stage, clock, card="pm_card_captures_then_times_out")
    assert gift.status == "delivered"
    assert [capture.amount for capture in await stage.captures(gift.id)] == [5700]
