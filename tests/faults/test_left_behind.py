"""What cannot go on does not hold its test clock up: the clock arrives without it, says so, and fetches it later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from perennial.checks.replay import replay_one
from perennial.checks.stuck import find_stuck
from perennial.domain.subscription.effects import Decision
from perennial.engine import clocks
from perennial.engine.clocks import ClockLeftBehind
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.support.reset import planned, reset
from perennial.support.retry import retry
from tests.faults.test_broken_subscriptions import Poisoned, working
from tests.support.stage import Stage, at, eventually
from workflows.registry import WORKFLOWS
from workflows.subscription import SubscriptionWorkflow

BEGIN, TARGET = "2026-01-31 10:00", "2026-03-10 10:00"


@pytest.fixture
def stage(faulty: Engine) -> Stage:
    return Stage(faulty)


async def cause(stage: Stage, sub: str) -> str:
    [found] = [each for each in await find_stuck(stage.engine) if each.id == sub]
    return found.cause


async def test_code_that_raises(faulty: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience is for code that is just being deployed: here there is none."""
    monkeypatch.setattr(clocks, "_OUTAGE_SECONDS", 0.0)
    monkeypatch.setattr(clocks, "RPC_TIMEOUT", timedelta(seconds=1))
    original = SubscriptionWorkflow._carry_out

    async def broken(self: SubscriptionWorkflow, decision: Decision) -> None:
        if decision.state.quantity == 3 and decision.state.period_no == 1:
            raise ZeroDivisionError("three is too many")
        await original(self, decision)

    monkeypatch.setattr(SubscriptionWorkflow, "_carry_out", broken)
    clock = await stage.clock(BEGIN)
    async with working(faulty):
        stopped = await stage.subscribe(clock, "team-monthly", quantity=3)
        other = await stage.subscribe(clock, "team-monthly")
        with pytest.raises(ClockLeftBehind, match=rf"moved to 2026-03-10.* {stopped} cannot go on"):
            await stage.advance(clock, TARGET)
        stands = await clocks.get(faulty, clock)
        assert (stands.status, stands.now) == ("ready", at(TARGET))
        assert len(await stage.bills(other)) == 2
        assert "three is too many" in await cause(stage, stopped)
        [replayed] = await replay_one(faulty, WORKFLOWS, stopped)
        assert replayed.difference
        assert replayed.difference.recorded == "nothing yet"
        assert replayed.difference.wanted == "it raises ZeroDivisionError: three is too many"

        still_broken = await reset(faulty, await planned(faulty, stopped, workflows=WORKFLOWS), why="too early")
        assert not still_broken.is_caught_up
    monkeypatch.setattr(SubscriptionWorkflow, "_carry_out", original)
    # Looked at before the mended worker comes: Temporal's next try would find nothing wrong any more.
    plan = await planned(faulty, stopped, workflows=WORKFLOWS)
    async with working(faulty):
        mended = await reset(faulty, plan, why="mended")
        assert mended.is_caught_up
        assert [run.difference for run in await replay_one(faulty, WORKFLOWS, stopped)] == [None]
        assert len(await stage.bills(stopped)) == 2
        await stage.advance(clock, "2026-04-10 10:00")
        await stage.once_each(stopped)


async def test_an_activity_that_fails_for_ever(faulty: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_HOPELESS_ATTEMPTS", 2)
    clock = await stage.clock(BEGIN)
    async with working(faulty):
        sub = await stage.subscribe(clock)

        async def rests() -> bool:
            return not (await stage.progress(sub)).busy

        # A step that is cut off with its worker would be what fails, not the charge.
        await eventually(rests)
    async with working(replace(faulty, gateways=Gateways(Poisoned(faulty.gateway)))):
        with pytest.raises(ClockLeftBehind, match=sub):
            await stage.advance(clock, TARGET)
        assert "no way to charge" in await cause(stage, sub)
    async with working(faulty):
        await retry(faulty, sub)
        await stage.advance(clock, "2026-04-10 10:00")
        assert len(await stage.bills(sub)) == 3
        await stage.once_each(sub)
