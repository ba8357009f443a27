"""Trials, pauses, ends and second lives."""

from itertools import pairwise

import pytest
from temporalio.client import WorkflowExecutionStatus

from perennial.domain.errors import AlreadySubscribed, CommandRefused
from perennial.engine import subscriptions
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import Stage, at, eventually


async def _refused(stage: Stage, sub: str, name: str, **fields: object) -> str:
    with pytest.raises(CommandRefused) as refusal:
        await stage.send(sub, name, **fields)
    return refusal.value.code


async def test_a_trial_with_a_card_is_charged_when_it_ends(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "premium-monthly")
    view = await stage.view(sub)
    assert (view.status, view.trial_end) == ("trialing", at("2026-02-14 10:00"))
    await stage.advance(clock, "2026-02-11 10:00")
    assert "trial_ending" in await stage.messages(sub)
    assert await stage.bills(sub) == []
    await stage.advance(clock, "2026-02-14 10:00")
    assert (await stage.view(sub)).status == "active"
    assert await stage.due_amounts(sub) == [4900]
    await stage.advance(clock, "2026-03-14 10:00")
    assert await stage.due_amounts(sub) == [4900, 4900]
    await stage.once_each(sub)


async def test_a_trial_without_a_card_lapses_or_is_saved_by_one(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    lapses = await stage.subscribe(clock, "trial-monthly", card=None)
    saved = await stage.subscribe(clock, "trial-monthly", card=None)
    card = await stage.card(stage.owners[saved], "pm_card_visa")
    await stage.send(saved, "set_payment_method", payment_method_id=card)
    await stage.send(saved, "extend_trial", until=at("2026-02-20 10:00"))
    await stage.advance(clock, "2026-02-14 10:00")
    view = await stage.view(lapses)
    assert (view.status, view.end_reason) == ("canceled", "trial_ended_without_payment_method")
    assert (await stage.view(saved)).status == "trialing"
    await stage.advance(clock, "2026-02-20 10:00")
    assert await stage.due_amounts(saved) == [1900]
    assert await stage.due_amounts(lapses) == []


async def test_a_pause_of_ten_days_moves_every_following_renewal_by_ten_days(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-04-10 09:00")
    await stage.send(sub, "pause", until=at("2026-04-20 09:00"))
    assert not (await stage.view(sub)).access
    await stage.advance(clock, "2026-06-12 00:00")
    assert [f"{bill.period_start:%m-%d %H}" for bill in await stage.bills(sub)] == ["04-01 09", "05-11 09", "06-11 09"]
    spans = await stage.rows(
        "SELECT kind, starts_at, ends_at FROM service_spans WHERE subscription_id = :id ORDER BY starts_at", id=sub
    )
    assert [(row.kind, f"{row.starts_at:%m-%d}") for row in spans] == [
        ("paid", "04-01"),
        ("paused", "04-10"),
        ("paid", "04-20"),
        ("paid", "05-11"),
        ("paid", "06-11"),
    ]
    assert all(this.ends_at == following.starts_at for this, following in pairwise(spans))


async def test_a_pause_at_the_end_of_the_period_is_not_billed(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    await stage.send(sub, "pause", when="period_end")
    await stage.advance(clock, "2026-07-01 09:00")
    assert await stage.due_amounts(sub) == [900]
    view = await stage.send(sub, "resume")
    await stage.advance(clock, "2026-07-01 09:00")
    view = await stage.view(sub)
    assert (view.status, view.period_start) == ("active", at("2026-07-01 09:00"))
    assert await stage.due_amounts(sub) == [900, 900]


async def test_a_cancellation_is_undone_and_then_meant(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    view = await stage.send(sub, "cancel", reason="too_dear")
    assert (view.status, view.cancel_at) == ("active", at("2026-05-01 09:00"))
    assert await _refused(stage, sub, "cancel") == "already_canceling"
    assert await _refused(stage, sub, "pause") == "cancellation_pending"
    assert (await stage.send(sub, "undo_cancel")).cancel_at is None
    await stage.advance(clock, "2026-05-15 09:00")
    await stage.send(sub, "cancel", reason="too_dear")
    await stage.advance(clock, "2026-06-01 09:00")
    view = await stage.view(sub)
    assert (view.status, view.end_reason, view.ended_at) == ("canceled", "too_dear", at("2026-06-01 09:00"))
    assert (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.COMPLETED
    assert await _refused(stage, sub, "pause") == "subscription_ended"
    await stage.advance(clock, "2026-09-01 09:00")
    assert await stage.due_amounts(sub) == [900, 900]


async def test_a_second_life_begins_where_it_is_asked_for(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-04-16 09:00")
    await stage.send(sub, "cancel", when="now", refund="prorated")
    assert [capture.refunded for capture in await stage.captures(sub)] == [450]
    await stage.advance(clock, "2026-08-20 07:00")
    view = await stage.send(sub, "reactivate")
    assert (view.status, view.period_end) == ("active", at("2026-09-20 07:00"))
    await stage.advance(clock, "2026-09-20 07:00")
    assert await stage.due_amounts(sub) == [900, 900, 900]
    await stage.once_each(sub)


async def test_the_same_plan_twice_is_refused_until_the_first_has_ended(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    again = NewSubscription(customer_id=stage.owners[sub], plan="basic-monthly", currency="USD", test_clock_id=clock)
    with pytest.raises(AlreadySubscribed):
        await subscriptions.create(stage.engine, again)
    await stage.send(sub, "cancel", when="now")
    assert (await subscriptions.create(stage.engine, again)).status == "active"


async def test_refusals_name_their_reason_and_change_nothing(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)

    async def at_rest() -> bool:
        return not (await stage.progress(sub)).busy

    await eventually(at_rest)
    before = await stage.rows("SELECT step, state FROM subscriptions WHERE id = :id", id=sub)
    history = (await stage.handle(sub).describe()).history_length
    assert await _refused(stage, sub, "resume") == "not_paused"
    assert await _refused(stage, sub, "change_plan", plan="basic-monthly") == "same_plan"
    assert await _refused(stage, sub, "change_plan", plan="premium-monthly", currency="EUR") == "currency_change"
    assert await _refused(stage, sub, "undo_cancel") == "not_canceling"
    assert await _refused(stage, sub, "reactivate") == "not_reactivatable"
    assert await _refused(stage, sub, "retry_payment") == "nothing_to_pay"
    assert await stage.rows("SELECT step, state FROM subscriptions WHERE id = :id", id=sub) == before
    assert (await stage.handle(sub).describe()).history_length == history
