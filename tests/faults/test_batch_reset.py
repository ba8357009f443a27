"""Resetting many: what a build has decided, what a query finds; again, and there is nothing left to do."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.registry import build_activities
from perennial.checks.look import look_at
from perennial.domain.errors import InvalidInput
from perennial.domain.subscription.effects import Decision
from perennial.engine.context import Engine
from perennial.support import batch, desk
from perennial.support.audit import Who
from perennial.support.batch import Item, Outcome
from perennial.support.plan import ChargeInFlight
from perennial.support.reset import life, planned, refuse_while_busy
from tests.support.stage import Stage, at, eventually
from workflows.registry import WORKFLOWS
from workflows.subscription import SubscriptionWorkflow

NOW = "2026-03-10 10:00"


@pytest.fixture
def stage(faulty: Engine) -> Stage:
    return Stage(faulty)


def built(engine: Engine, build: str) -> AbstractAsyncContextManager[Any]:
    """A worker of this build."""
    return Worker(
        engine.temporal,
        task_queue=engine.settings.task_queue,
        workflows=WORKFLOWS,
        activities=build_activities(engine),
        activity_executor=ThreadPoolExecutor(5),
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id=build,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )


async def run_all(stage: Stage, ids: list[str], **how: Any) -> list[Item]:
    asked = how.pop("asked", "a test")
    found = desk.batch_reset(stage.engine, Who("tester", "a bug"), WORKFLOWS, ids, asked=asked, **how)
    return [item async for item in found]


async def test_what_a_build_decided_is_decided_anew(faulty: Engine, stage: Stage) -> None:
    """Two subscriptions lived under the build that is taken back, one did not."""
    bad = f"bad-{faulty.settings.task_queue}"
    clock = await stage.clock("2026-01-31 10:00")
    async with built(faulty, "good"):
        spared = await stage.subscribe(await stage.clock("2026-01-31 10:00"), "team-monthly")
    async with built(faulty, bad):
        subs = [await stage.subscribe(clock, "team-monthly") for _ in range(2)]
        await stage.advance(clock, NOW)
    async with built(faulty, "mended"):

        async def listed() -> bool:
            return set(subs) <= set(await batch.found(faulty, build=bad))

        await eventually(listed)
        ids = await batch.found(faulty, build=bad)
        assert spared not in ids
        dry = [item async for item in batch.batch(faulty, WORKFLOWS, ids, build=bad)]
        assert [item.outcome for item in dry] == [Outcome.WOULD_RESET] * 2
        assert {item.to for item in dry} == {"1 start 2026-01-31"}
        done = await run_all(stage, ids, build=bad)
        assert [item.outcome for item in done] == [Outcome.RESET] * 2
        again = await run_all(stage, ids, build=bad)
        assert [item.outcome for item in again] == [Outcome.NOTHING_TO_DO] * 2
        for sub in subs:
            _, steps = await life(faulty, sub)
            assert {step.build for step in steps} == {"mended"}
            await stage.once_each(sub)
        with pytest.raises(InvalidInput, match="does not understand"):
            await batch.found(faulty, query="Nonsense ===")


async def test_no_reset_while_a_charge_is_in_flight(engine: Engine) -> None:
    """The attempt is written down and its outcome is not known: whoever asks is sent to the gateway first."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    await stage.execute(
        "UPDATE payment_attempts SET status = 'pending' WHERE invoice_id IN "
        "(SELECT id FROM invoices WHERE subscription_id = :id)",
        id=sub,
    )
    with pytest.raises(ChargeInFlight, match=f"perennial support retry {sub}") as refused:
        await planned(engine, sub, to="1")
    assert refused.value.code == "charge_in_flight"
    assert (await look_at(engine, sub)).is_running
    await stage.execute(
        "UPDATE payment_attempts SET status = 'succeeded' WHERE invoice_id IN "
        "(SELECT id FROM invoices WHERE subscription_id = :id)",
        id=sub,
    )
    await refuse_while_busy(engine, sub)
    assert (await planned(engine, sub, to="1")).charges == ()


async def test_a_query_resets_those_that_fail_and_leaves_the_others(
    faulty: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SubscriptionWorkflow._carry_out

    sick: set[str] = set()

    async def broken(self: SubscriptionWorkflow, decision: Decision) -> None:
        """The first run fails for good; otherwise it would go on by itself whenever its task is tried again."""
        run = workflow.info().run_id
        if decision.state.quantity == 3 and (not sick or run in sick):
            sick.add(run)
            raise ZeroDivisionError("three is too many")
        await original(self, decision)

    monkeypatch.setattr(SubscriptionWorkflow, "_carry_out", broken)
    clock = await stage.clock("2026-01-31 10:00")
    async with built(faulty, "raises"):
        bad, good = [await stage.subscribe(clock, "team-monthly") for _ in range(2)]
        await stage.signal(bad, "change_quantity", at("2026-01-31 10:00"), quantity=3)

        async def fails() -> bool:
            return (await look_at(faulty, bad)).task_attempts > 1

        await eventually(fails)
    async with built(faulty, "mended"):
        query = f"CustomerId IN ('{stage.owners[bad]}', '{stage.owners[good]}')"

        async def listed() -> bool:
            return await batch.found(faulty, query=query) == sorted([bad, good])

        await eventually(listed)
        done = {item.subscription: item for item in await run_all(stage, sorted([bad, good]), build=None)}
        assert (done[bad].outcome, done[good].outcome) == (Outcome.RESET, Outcome.NOTHING_TO_DO)
        assert (await stage.view(bad)).quantity == 3
        await stage.once_each(bad)
