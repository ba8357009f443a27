"""Resetting many: what a build has decided, what a query finds; again, and there is nothing left to do."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from activities.registry import build_activities
from perennial.checks.look import look_at
from perennial.contracts.activities import Record
from perennial.domain.errors import InvalidInput
from perennial.domain.subscription.effects import Decision
from perennial.engine.context import Engine
from perennial.support import batch, desk
from perennial.support.audit import Who
from perennial.support.batch import Item, Outcome
from perennial.support.plan import ChargeInFlight
from perennial.support.reset import life, planned, refuse_while_busy
from tests.support.retold import facts
from tests.support.stage import Stage, at, eventually, nothing_due_until
from workflows.effects import write
from workflows.registry import WORKFLOWS
from workflows.subscription import SubscriptionWorkflow

NOW = "2026-03-10 10:00"


@pytest.fixture
def stage(faulty: Engine) -> Stage:
    return Stage(faulty)


def built(engine: Engine, build: str, *, versioned: bool = False) -> AbstractAsyncContextManager[Any]:
    """A worker of this build; `versioned`: as docs/deploying.md has it, in a deployment of this test alone."""
    version = WorkerDeploymentVersion(engine.settings.task_queue, build)
    how: dict[str, Any] = {"build_id": build}
    if versioned:
        how = {
            "deployment_config": WorkerDeploymentConfig(
                version=version,
                use_worker_versioning=True,
                default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
            )
        }
    return Worker(
        engine.temporal,
        task_queue=engine.settings.task_queue,
        workflows=WORKFLOWS,
        activities=build_activities(engine),
        activity_executor=ThreadPoolExecutor(5),
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        **how,
    )


async def promote(engine: Engine, build: str) -> None:
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=engine.temporal.namespace,
        deployment_name=engine.settings.task_queue,
        build_id=build,
        identity="a test",
    )

    async def promoted() -> bool:
        """Refused until the server has seen a worker of it."""
        await engine.temporal.workflow_service.set_worker_deployment_current_version(request)
        return True

    await eventually(promoted)


async def run_all(stage: Stage, ids: list[str], **how: Any) -> list[Item]:
    asked = how.pop("asked", "a test")
    found = desk.batch_reset(stage.engine, Who("tester", "a bug"), WORKFLOWS, ids, asked=asked, **how)
    return [item async for item in found]


@pytest.mark.parametrize("versioned", [False, True], ids=["without_versions", "in_a_deployment"])
async def test_what_a_bad_build_decided_is_decided_anew(
    faulty: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch, *, versioned: bool
) -> None:
    """It wrote every renewal down twice: today's code cannot replay that, nor go on with it. One lived without it."""
    good, bad, mended = (f"{name}-{faulty.settings.task_queue}" for name in ("good", "bad", "mended"))
    clock = await stage.clock("2026-01-31 10:00")

    @asynccontextmanager
    async def at_work(build: str) -> AsyncIterator[None]:
        async with built(faulty, build, versioned=versioned):
            if versioned:
                await promote(faulty, build)
            yield

    async with at_work(good):
        spared = await stage.subscribe(await stage.clock("2026-01-31 10:00"), "team-monthly")
        subs = sorted([await stage.subscribe(clock, "team-monthly") for _ in range(2)])
        for each in (spared, *subs):
            await eventually(lambda each=each: at_rest(stage, each))  # type: ignore[misc]

    original = SubscriptionWorkflow._carry_out

    async def otherwise(self: SubscriptionWorkflow, decision: Decision) -> None:
        await original(self, decision)
        if decision.notes and decision.state.period_no == 1:
            await write(Record(self._state, decision.notes), self._as_of())

    monkeypatch.setattr(SubscriptionWorkflow, "_carry_out", otherwise)
    async with at_work(bad):
        await stage.advance(clock, NOW)

        async def listed() -> bool:
            return await batch.found(faulty, build=bad) == subs

        await eventually(listed)
        before = [await facts(stage, sub) for sub in subs]
        [early] = await run_all(stage, subs, build=bad)
        assert early.outcome is Outcome.DECIDED_AGAIN
        assert f"build {bad} has decided it again" in early.words
    monkeypatch.undo()

    async with at_work(mended):
        for sub in subs:
            await stage.handle(sub).signal("unheard_of")

            async def stands_still(sub: str = sub) -> bool:
                return (await look_at(faulty, sub)).task_attempts > 1

            await eventually(stands_still)
        dry = [item async for item in batch.batch(faulty, WORKFLOWS, subs, build=bad)]
        assert [(item.outcome, item.to) for item in dry] == [(Outcome.WOULD_RESET, "3 renewal 2026-02-28")] * 2
        done = await run_all(stage, subs, build=bad)
        assert [item.outcome for item in done] == [Outcome.RESET] * 2, done
        again = await run_all(stage, subs, build=bad)
        assert [item.outcome for item in again] == [Outcome.NOTHING_TO_DO] * 2
        assert [await facts(stage, sub) for sub in subs] == before
        await stage.advance(clock, "2026-04-10 10:00")
        for sub in subs:
            _, steps = await life(faulty, sub)
            builds = [step.build for step in steps]
            assert (builds[0], builds[-1], bad in builds) == (good, mended, False)
            assert [step.name for step in steps].count("renewal 2026-02-28") == 1
            await stage.once_each(sub)
        with pytest.raises(InvalidInput, match="does not understand"):
            await batch.found(faulty, query="Nonsense ===")


async def at_rest(stage: Stage, subscription: str) -> bool:
    return nothing_due_until(await stage.progress(subscription), at("2026-02-01 10:00"))


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
