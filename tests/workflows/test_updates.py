"""Commands as updates: what is refused leaves no trace, what is repeated gets its first answer."""

import asyncio
import warnings

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from perennial.contracts.views import SubscriptionView
from perennial.domain.disputes import DisputeStatus
from perennial.domain.errors import CommandRefused
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.commands import When
from perennial.engine.runs import RefusedBySubscription
from tests.support.stage import COMMANDS, Stage, at, eventually


async def ask(stage: Stage, sub: str, name: str, command: c.Command) -> SubscriptionView:
    """An update under an id of its own, so that Temporal cannot answer a repetition by itself."""
    return await stage.handle(sub).execute_update(name, command, result_type=SubscriptionView)


async def refusal(stage: Stage, sub: str, name: str, command: c.Command) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await ask(stage, sub, name, command)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause.type


async def length(stage: Stage, sub: str) -> int:
    return len((await stage.handle(sub).fetch_history()).events)


async def at_rest(stage: Stage, sub: str) -> None:
    """A created subscription is told of when its row is written, a moment before its run sleeps."""

    async def sleeps() -> bool:
        return not (await stage.progress(sub)).busy

    await eventually(sleeps)


async def test_what_the_state_does_not_allow_is_refused_without_an_event(stage: Stage) -> None:
    sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"))
    await at_rest(stage, sub)
    before = await length(stage, sub)
    now = at("2026-01-31 10:00")
    terms = (await stage.state(sub)).terms
    illegal: list[tuple[str, c.Command, str]] = [
        ("resume", c.Resume(request_id="r1", at=now), "not_paused"),
        ("undo_cancel", c.UndoCancel(request_id="r2", at=now), "not_canceling"),
        ("reactivate", c.Reactivate(request_id="r3", at=now), "not_reactivatable"),
        ("retry_payment", c.RetryPayment(request_id="r4", at=now), "nothing_to_pay"),
        ("extend_trial", c.ExtendTrial(request_id="r5", at=now, until=at("2027-01-01")), "not_trialing"),
        ("change_plan", c.ChangePlan(request_id="r6", at=now, terms=terms), "same_plan"),
        ("change_quantity", c.ChangeQuantity(request_id="r7", at=now, quantity=-1), "invalid_quantity"),
        ("pause", c.PauseSubscription(request_id="r8", at=now, until=now), "invalid_instant"),
        ("gift", c.AddGift(request_id="r9", at=now, gift_id="gift_x", periods=0), "invalid_quantity"),
    ]
    for name, command, code in illegal:
        assert await refusal(stage, sub, name, command) == code, name
    assert await length(stage, sub) == before
    assert await stage.timeline(sub) == ["created", "activated"]


@pytest.mark.parametrize("name", COMMANDS)
async def test_an_update_without_a_request_id_is_refused(name: str, stage: Stage) -> None:
    sub = await stage.subscribe(None)
    await at_rest(stage, sub)
    before = await length(stage, sub)
    terms = (await stage.state(sub)).terms
    needed = {
        "change_plan": {"terms": terms},
        "change_quantity": {"quantity": 2},
        "extend_trial": {"until": at("2027-01-01")},
        "set_payment_method": {"payment_method_id": "pm_x"},
        "gift": {"gift_id": "gift_x", "periods": 1},
        "payment_event": {"invoice": "invoice:x", "attempt": 1},
        "dispute_event": {"invoice": "invoice:x", "dispute": "dp_x", "status": DisputeStatus.OPEN},
        "apply_coupon": {"discount": c.Discount("HALF", amount=1)},
        "change_addons": {"addons": ()},
        "give_up_invoice": {"invoice": "invoice:x"},
        "record_payment": {"invoice": "invoice:x", "reference": "BANK 1"},
        "credit_invoice": {"invoice": "invoice:x"},
    }
    command = COMMANDS[name](**needed.get(name, {}))
    assert await refusal(stage, sub, name, command) == "request_id_required"
    assert await length(stage, sub) == before


async def test_a_repeated_request_gets_its_first_answer_and_nothing_is_done_twice(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    now = await stage.advance(clock, "2026-02-10 10:00")
    first = c.ChangeQuantity(request_id="req_a", at=now, quantity=3)
    answer = await ask(stage, sub, "change_quantity", first)
    await ask(stage, sub, "change_quantity", c.ChangeQuantity(request_id="req_b", at=now, quantity=5))
    bills = await stage.bills(sub)
    assert await ask(stage, sub, "change_quantity", first) == answer
    assert (await stage.view(sub)).quantity == 5
    assert await stage.bills(sub) == bills


async def test_the_same_request_many_times_at_once_is_one_step(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    now = await stage.advance(clock, "2026-02-10 10:00")
    command = c.ChangeQuantity(request_id="req_a", at=now, quantity=3)
    step = (await stage.state(sub)).step
    answers = await asyncio.gather(*(ask(stage, sub, "change_quantity", command) for _ in range(6)))
    assert len(set(answers)) == 1
    assert [bill.reason for bill in await stage.bills(sub)] == ["first_period", "plan_change"]
    assert (await stage.state(sub)).applied.count("req_a") == 1
    assert (await stage.timeline(sub)).count("plan_changed") == 1
    assert (await stage.state(sub)).step > step


async def test_first_answers_travel_through_continue_as_new(short_runs: Stage) -> None:
    """Temporal itself forgets update ids when a run ends; the refusal of the loop is remembered like an answer."""
    stage = short_runs
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card="pm_card_slow_200")
    await at_rest(stage, sub)
    first = await stage.handle(sub).describe()
    names = ["req_a", "req_b"]
    changes = [stage.send(sub, "change_quantity", request_id=name, quantity=3) for name in names]
    outcomes = list(zip(names, await asyncio.gather(*changes, return_exceptions=True), strict=True))
    # Which of the two arrives first is nobody's promise.
    [(obeyed, answer), (late, refused)] = sorted(outcomes, key=lambda each: isinstance(each[1], Exception))
    assert isinstance(answer, SubscriptionView)
    assert isinstance(refused, RefusedBySubscription)
    assert refused.code == "same_plan"
    await stage.advance(clock, "2026-08-10 10:00")
    assert (await stage.handle(sub).describe()).run_id != first.run_id, "the test wants another run"
    bills = await stage.bills(sub)
    assert await stage.send(sub, "change_quantity", request_id=obeyed, quantity=3) == answer
    with pytest.raises(RefusedBySubscription) as again:
        await stage.send(sub, "change_quantity", request_id=late, quantity=3)
    assert (again.value.code, str(again.value)) == (refused.code, str(refused))
    assert await stage.bills(sub) == bills


async def test_whoever_asks_while_a_subscription_ends_has_an_answer(stage: Stage) -> None:
    """A run that ended under its callers would warn: UnfinishedUpdateHandlersWarning."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card="pm_card_slow_100")
    await at_rest(stage, sub)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asked = [
            stage.send(sub, "change_quantity", quantity=4),
            stage.send(sub, "cancel", when=When.NOW),
            stage.send(sub, "pause"),
            stage.send(sub, "skip_next"),
            stage.send(sub, "cancel", when=When.NOW),
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.wait_for(stage.handle(sub).result(), 10)
    assert all(isinstance(answer, SubscriptionView | CommandRefused) for answer in answers), answers
    assert any(isinstance(answer, CommandRefused) for answer in answers)
    assert [str(warning.message) for warning in told] == []
    await stage.once_each(sub)
