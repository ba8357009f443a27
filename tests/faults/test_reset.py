"""`temporal workflow reset` to every earlier event of a life: the story is told again, and no money moves."""

import uuid
from datetime import datetime

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

import workflows.subscription
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.engine import plans
from perennial.engine.context import Engine
from tests.support.retold import caught_up, comparable, facts
from tests.support.stage import Stage, at

WEEKLY = plans.NewPlanVersion(
    code="team-weekly-of-reset",
    name="Team, weekly",
    interval=Interval(IntervalUnit.WEEK),
    prices={"USD": {"type": "per_unit", "unit_price": "3.35"}},
)
COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


async def reset(engine: Engine, workflow_id: str, run_id: str, event_id: int) -> str:
    """What an operator does; signals and updates after the event are applied again, as is the default."""
    answer = await engine.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=engine.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason="support: tell it again",
            workflow_task_finish_event_id=event_id,
            request_id=str(uuid.uuid4()),
        )
    )
    return answer.run_id


async def resettable(stage: Stage, subscription: str) -> list[tuple[str, int]]:
    """Every completed workflow task of every run of this life, oldest first."""
    run = (await stage.handle(subscription).describe()).raw_description.workflow_execution_info.first_run_id
    points: list[tuple[str, int]] = []
    while run:
        handle = stage.engine.temporal.get_workflow_handle(subscription, run_id=run)
        history = [event async for event in handle.fetch_history_events()]
        points += [(run, event.event_id) for event in history if event.event_type == COMPLETED]
        run = history[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return points


async def a_year(stage: Stage) -> tuple[str, str, datetime]:
    """Dunning that recovers, an upgrade, a pause, a cancellation that is undone, two seats."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card="pm_card_declines_charges_3_to_4")
    await stage.advance(clock, "2026-03-15 10:00")
    await stage.advance(clock, "2026-04-10 10:00")
    await stage.send(sub, "change_quantity", quantity=2)
    await stage.advance(clock, "2026-05-10 10:00")
    await stage.send(sub, "pause", until=at("2026-06-20 10:00"))
    await stage.advance(clock, "2026-06-01 10:00")
    await stage.send(sub, "resume")
    await stage.advance(clock, "2026-08-10 10:00")
    await stage.send(sub, "cancel")
    await stage.advance(clock, "2026-08-12 10:00")
    await stage.send(sub, "undo_cancel")
    await stage.send(sub, "change_quantity", quantity=1)
    return sub, clock, await stage.advance(clock, "2027-01-31 10:00")


async def a_rough_quarter(stage: Stage) -> tuple[str, str, datetime]:
    """Weeks in arrears until another card comes, a downgrade with credit, a refund at the end."""
    clock = await stage.clock("2026-03-01 09:00")
    sub = await stage.subscribe(clock, "team-weekly-of-reset", card="pm_card_declines_charges_2_to_4", quantity=4)
    await stage.advance(clock, "2026-03-25 09:00")
    card = await stage.card(stage.owners[sub], "pm_card_mastercard")
    await stage.send(sub, "set_payment_method", payment_method_id=card)
    await stage.advance(clock, "2026-03-31 15:00")
    await stage.send(sub, "change_quantity", quantity=1)
    await stage.advance(clock, "2026-04-20 09:00")
    await stage.signal(sub, "retry_payment", at("2026-04-20 09:00"))
    await stage.send(sub, "skip_next")
    await stage.advance(clock, "2026-06-10 09:00")
    await stage.send(sub, "cancel", when="now", refund="prorated")
    return sub, clock, at("2026-06-10 09:00")


async def told_again(stage: Stage, sub: str, clock: str, now: datetime, every: int = 1) -> int:
    """Resets to each `every`-th event of the life; answers to how many."""
    before, state = await facts(stage, sub), await caught_up(stage, sub, clock, now)
    await stage.once_each(sub)
    points = (await resettable(stage, sub))[::every]
    for run, event in points:
        await reset(stage.engine, sub, run, event)
        again = await caught_up(stage, sub, clock, now)
        assert comparable(again) == comparable(state), f"after a reset to event {event} of {run}"
        assert await facts(stage, sub) == before, f"after a reset to event {event} of {run}"
    return len(points)


@pytest.mark.timeout(170)
async def test_a_reset_to_any_event_of_a_year_leaves_one_charge_a_period(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock, now = await a_year(stage)
    assert {bill.status for bill in await stage.bills(sub)} == {"paid"}
    assert {"payment_failed", "recovered", "paused", "resumed", "plan_changed", "cancellation_undone"} <= set(
        await stage.timeline(sub)
    )
    assert await told_again(stage, sub, clock, now) > 30


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_a_reset_across_continued_runs_and_an_end_tells_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of forty events, so that the life is a chain of them; each third event of the chain."""
    monkeypatch.setattr(workflows.subscription, "EVENTS_PER_RUN", 40)
    stage = Stage(engine)
    await plans.create_version(engine, WEEKLY)
    sub, clock, now = await a_rough_quarter(stage)
    assert len({run for run, _ in await resettable(stage, sub)}) > 3
    assert await told_again(stage, sub, clock, now, every=3) > 10
