"""Five subscriptions broken in five ways, each brought back to health by the one command of its runbook."""

import asyncio
import re
import shlex
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.registry import build_activities
from perennial.checks.look import look_at
from perennial.checks.stuck import Stuck, find_stuck
from perennial.cli.main import run
from perennial.contracts.activities import Record
from perennial.domain.subscription.effects import Decision
from perennial.engine import subscriptions
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.ports import ChargeRequest, ChargeResult, GatewayUnavailable
from perennial.stack import Stack
from perennial.support.reset import life
from tests.support.stage import Stage, at, eventually
from worker import build_worker
from workflows.effects import write
from workflows.registry import WORKFLOWS
from workflows.subscription import SubscriptionWorkflow

PAGES = Path(__file__).parents[2] / "docs/runbooks"
NOW = "2026-03-10 10:00"
Command = Callable[[str, str], Awaitable[None]]


@pytest.fixture
def command(stack: Stack, faulty: Engine, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the one command of a page for a subscription, as its reader would."""

    async def obey(page: str, subscription: str) -> None:
        [written] = re.findall(r"```sh\nperennial (.+)\n```", (PAGES / f"{page}.md").read_text())
        arguments = shlex.split(written.replace("ID", subscription).replace('"..."', '"the page says so"'))
        environment = stack.environment() | {"PERENNIAL_TASK_QUEUE": faulty.settings.task_queue}
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            assert await asyncio.to_thread(run, arguments) == 0

    return obey


@pytest.fixture
def stage(faulty: Engine) -> Stage:
    return Stage(faulty)


def working(engine: Engine) -> AbstractAsyncContextManager[Any]:
    """A worker of the code as it is now; what is planted goes with it."""
    return build_worker(engine, activities=build_activities(engine, WORKFLOWS))


async def a_life(stage: Stage, card: str = "pm_card_visa") -> tuple[str, str]:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card=card)
    await stage.advance(clock, NOW)
    return sub, clock


async def stuck(stage: Stage, sub: str) -> Stuck | None:
    return next((each for each in await find_stuck(stage.engine) if each.id == sub), None)


async def is_well(stage: Stage, sub: str, clock: str, *, quantity: int = 1) -> None:
    """It runs, has its row, pays once for each period and is nowhere on the list."""
    assert (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.RUNNING
    assert (await subscriptions.get(stage.engine, sub)).status == "active"
    await stage.advance(clock, "2026-04-10 10:00")
    view = await stage.view(sub)
    assert (view.status, view.quantity) == ("active", quantity)
    await stage.once_each(sub)
    periods = [bill.period_no for bill in await stage.bills(sub) if bill.reason != "plan_change"]
    assert periods == [0, 1, 2]
    assert await stuck(stage, sub) is None


async def test_a_bug_in_workflow_code(
    faulty: Engine, stage: Stage, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SubscriptionWorkflow._carry_out

    async def broken(self: SubscriptionWorkflow, decision: Decision) -> None:
        if decision.state.quantity == 3:
            raise ZeroDivisionError("three is too many")
        await original(self, decision)

    monkeypatch.setattr(SubscriptionWorkflow, "_carry_out", broken)
    async with working(faulty):
        sub, clock = await a_life(stage)
        await stage.signal(sub, "change_quantity", at(NOW), quantity=3)

        async def named() -> bool:
            return (await look_at(faulty, sub)).task_attempts > 1

        await eventually(named)
    monkeypatch.undo()
    stopped = (await stage.handle(sub).describe()).run_id

    async def is_reset() -> bool:
        return (await stage.handle(sub).describe()).run_id != stopped

    # The mended worker comes when the command has begun: Temporal's next try would find nothing wrong any more.
    resetting = asyncio.create_task(command("broken-code", sub))
    await eventually(is_reset)
    async with working(faulty):
        await resetting
        await is_well(stage, sub, clock, quantity=3)
    assert await actions(stage, sub) == [("reset", "the page says so")]


async def test_a_history_that_todays_code_does_not_follow(
    faulty: Engine, stage: Stage, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's code wrote every renewal down twice."""
    original = SubscriptionWorkflow._carry_out

    async def otherwise(self: SubscriptionWorkflow, decision: Decision) -> None:
        await original(self, decision)
        if decision.notes and decision.state.period_no == 1:
            await write(Record(self._state, decision.notes), self._as_of())

    monkeypatch.setattr(SubscriptionWorkflow, "_carry_out", otherwise)
    async with working(faulty):
        sub, clock = await a_life(stage)
    monkeypatch.undo()
    async with working(faulty):
        await stage.signal(sub, "change_quantity", at(NOW), quantity=3)

        async def stands_still() -> bool:
            return (await look_at(faulty, sub)).task_attempts > 1

        await eventually(stands_still)
        _, steps = await life(faulty, sub)
        assert [step.name for step in steps][-2:] == ["renewal 2026-02-28"] * 2
        await command("broken-history", sub)
        _, steps = await life(faulty, sub)
        assert [step.name for step in steps].count("renewal 2026-02-28") == 1
        await is_well(stage, sub, clock, quantity=3)


class Poisoned:
    """A gateway that cannot charge; it knows what it has charged before."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def charge(self, request: ChargeRequest) -> ChargeResult:
        raise GatewayUnavailable(f"no way to charge {request.key}")


async def change_fails(engine: Engine, stage: Stage, sub: str) -> None:
    """Its change of quantity is written down and cannot be charged."""
    async with working(replace(engine, gateways=Gateways(Poisoned(engine.gateway)))):
        await stage.signal(sub, "change_quantity", at(NOW), quantity=3)

        async def fails() -> bool:
            return any(failing.attempt > 2 for failing in (await look_at(engine, sub)).failing)

        await eventually(fails)


async def test_an_activity_that_always_fails(faulty: Engine, stage: Stage, command: Command) -> None:
    async with working(faulty):
        sub, clock = await a_life(stage)
    await change_fails(faulty, stage, sub)
    async with working(faulty):
        await command("poisoned-activity", sub)
        await is_well(stage, sub, clock, quantity=3)


async def test_rows_that_have_vanished(faulty: Engine, stage: Stage, command: Command) -> None:
    async with working(faulty):
        sub, clock = await a_life(stage)
        told = await stage.timeline(sub)
        await stage.execute("DELETE FROM subscriptions WHERE id = :id", id=sub)
        await stage.execute("DELETE FROM timeline_entries WHERE subject_id = :id", id=sub)
        await stage.execute("DELETE FROM service_spans WHERE subscription_id = :id", id=sub)

        async def missed() -> Stuck | None:
            return await stuck(stage, sub)

        found = await eventually(missed)
        assert found
        assert found.cause == "its workflow runs, but its row is missing"
        assert found.remedy.startswith(f"perennial support rebuild {sub}")
        await command("vanished-row", sub)
        assert await stage.timeline(sub) == told
        await is_well(stage, sub, clock)


async def test_a_run_that_was_terminated(faulty: Engine, stage: Stage, command: Command) -> None:
    async with working(faulty):
        sub, clock = await a_life(stage)
        await stage.handle(sub).terminate("an operator's mistake")
        await command("terminated-run", sub)
        await is_well(stage, sub, clock)


async def test_a_run_that_was_terminated_because_its_activity_failed(
    faulty: Engine, stage: Stage, command: Command
) -> None:
    """Temporal goes on telling of the activity, but nobody can try it any more."""
    async with working(faulty):
        sub, clock = await a_life(stage)
    await change_fails(faulty, stage, sub)
    await stage.handle(sub).terminate("an operator's mistake")
    assert (await look_at(faulty, sub)).failing == ()
    async with working(faulty):
        await command("terminated-run", sub)
        await is_well(stage, sub, clock, quantity=3)


async def actions(stage: Stage, sub: str) -> list[tuple[str, str]]:
    rows = await stage.rows("SELECT action, reason FROM support_actions WHERE subject = :id ORDER BY id", id=sub)
    return [tuple(row) for row in rows]
