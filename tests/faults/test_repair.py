"""What operators break by hand: a terminated workflow, a vanished row. The next one who asks repairs it."""

from temporalio.client import WorkflowExecutionStatus

from perennial.domain.subscription import Status
from perennial.engine.context import Engine
from tests.support.stage import Stage


async def _terminated(stage: Stage) -> tuple[str, str]:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-03-15 10:00")
    await stage.handle(sub).terminate("an operator's mistake")
    return sub, clock


async def test_a_command_to_a_terminated_workflow_repairs_it(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock = await _terminated(stage)
    view = await stage.send(sub, "pause", until=None)
    assert view.status == Status.PAUSED
    assert (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.RUNNING
    await stage.advance(clock, "2026-03-20 10:00")
    view = await stage.send(sub, "resume")
    assert view.period_end.isoformat() == "2026-04-05T10:00:00+00:00"
    await stage.advance(clock, "2026-05-04 10:00")
    assert await stage.due_amounts(sub) == [900, 900, 900]
    await stage.once_each(sub)


async def test_a_clock_that_moves_repairs_what_was_terminated(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock = await _terminated(stage)
    await stage.advance(clock, "2026-06-01 10:00")
    assert await stage.due_amounts(sub) == [900] * 5
    await stage.once_each(sub)


async def test_a_command_to_an_ended_subscription_does_not_wake_it(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.send(sub, "cancel", when="now")
    assert (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.COMPLETED
    view = await stage.send(sub, "reactivate")
    assert view.status == Status.ACTIVE
    assert (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.RUNNING
    await stage.advance(clock, "2026-03-01 10:00")
    assert await stage.due_amounts(sub) == [900, 900, 900]
    await stage.once_each(sub)


async def test_a_vanished_row_is_written_again_by_the_next_step(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    other = await stage.subscribe(clock)
    await stage.execute("DELETE FROM subscriptions WHERE id = :id", id=sub)
    await stage.signal(sub, "skip_next", (await stage.state(sub)).as_of)
    rows = []
    for _ in range(100):
        rows = await stage.rows("SELECT status, step FROM subscriptions WHERE id = :id", id=sub)
        if rows:
            break
        await stage.progress(other)
    assert [row.status for row in rows] == ["active"]
    assert (await stage.view(sub)).skip_next
