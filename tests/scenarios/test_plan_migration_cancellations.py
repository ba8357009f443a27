"""A plan migration that is canceled asks nobody else, and says of nobody that he stays whose plan changes."""

import asyncio
from typing import Any

import pytest

from perennial.checks import Finding
from perennial.checks.stuck import find_stuck
from perennial.checks.workflows import NO_WORKFLOW
from perennial.domain.errors import ClockAdvancing, Conflict, EngineUnavailable
from perennial.engine import plan_migration_pages, plan_migrations, subscriptions
from perennial.engine.context import Engine
from perennial.engine.plan_moves import NewPlanMigration
from perennial.engine.runs import CommandPending
from tests.scenarios.test_plan_migration_stories import migrate, missing, new_version, old_plan, outcomes
from tests.support.stage import Stage, eventually
from worker import build_worker


async def canceled_by(stage: Stage, code: str) -> str:
    [running] = await stage.rows("SELECT id FROM plan_migrations WHERE plan_code = :code", code=code)
    await plan_migrations.cancel(stage.engine, running.id)
    return str(running.id)


async def has_it(stage: Stage, migration: str, subscription: str) -> None:
    """As soon as the subscription has taken the command in."""

    async def taken() -> bool:
        now = await plan_migrations.get(stage.engine, migration)
        return await outcomes(stage, now) == {subscription: "command_pending"}

    await eventually(taken)


async def test_a_migration_is_canceled_before_everybody_has_been_asked(stage: Stage) -> None:
    """Who lives on a clock that moves cannot answer: the others are asked, and that one waits until it is canceled."""
    code = await old_plan(stage)
    still, moving = await stage.clock("2026-04-01 00:00"), await stage.clock("2026-04-01 00:00")
    one, waits = await stage.subscribe(still, code), await stage.subscribe(moving, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    await stage.execute("UPDATE test_clocks SET status = 'advancing' WHERE id = :id", id=moving)
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))

    async def one_is_asked() -> bool:
        return (await plan_migrations.get(stage.engine, begun.id)).counts["scheduled"] == 1

    await eventually(one_is_asked)
    with pytest.raises(Conflict):
        await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))
    canceled = await plan_migrations.cancel(stage.engine, begun.id)
    assert canceled.migration.status == "canceled"
    await stage.handle(begun.id).result()
    await stage.execute("UPDATE test_clocks SET status = 'ready' WHERE id = :id", id=moving)
    assert await outcomes(stage, canceled) == {one: "scheduled", waits: "canceled"}
    assert (await plan_migrations.cancel(stage.engine, begun.id)).migration.status == "canceled"


async def test_whose_clock_moves_while_it_is_canceled_stays(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canceled between the look at an item and its command, which is certainly not sent."""
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    stays = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")

    async def ask(engine: Engine, subscription: str, name: str, make: Any) -> Any:
        monkeypatch.undo()
        await canceled_by(stage, code)
        raise ClockAdvancing(clock)

    monkeypatch.setattr(subscriptions, "command", ask)
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))
    await stage.handle(begun.id).result()
    assert (await stage.state(stays)).scheduled_change is None
    assert await outcomes(stage, await plan_migrations.get(stage.engine, begun.id)) == {stays: "canceled"}


async def test_a_page_that_is_under_way_ends_with_the_migration(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else on the page is asked."""
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    everybody = [await stage.subscribe(clock, code) for _ in range(3)]
    await new_version(stage, code, USD="12.00", EUR="8.00")
    asks = subscriptions.command

    async def ask_once(engine: Engine, subscription: str, name: str, make: Any) -> Any:
        done = await asks(engine, subscription, name, make)
        await canceled_by(stage, code)
        return done

    monkeypatch.setattr(subscriptions, "command", ask_once)
    monkeypatch.setattr(plan_migration_pages, "WIDTH", 1)
    progress = await migrate(stage, NewPlanMigration(plan=code))
    await stage.handle(progress.migration.id).result()
    assert progress.migration.status == "canceled"
    told = await outcomes(stage, progress)
    assert sorted(told.values()) == ["canceled", "canceled", "scheduled"]
    for each in everybody:
        assert ((await stage.state(each)).scheduled_change is not None) == (told[each] == "scheduled")


async def test_whoever_has_taken_the_command_in_is_waited_for_though_it_is_canceled(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A canceled migration never says of one whose plan changes that it was not asked."""
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    slow = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    asks, answers = subscriptions.command, asyncio.Event()

    async def ask(engine: Engine, subscription: str, name: str, make: Any) -> Any:
        done = await asks(engine, subscription, name, make)
        if not answers.is_set():
            raise CommandPending(await stage.view(subscription))
        return done

    monkeypatch.setattr(subscriptions, "command", ask)
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))
    await has_it(stage, begun.id, slow)
    canceled = await plan_migrations.cancel(stage.engine, begun.id)
    assert (canceled.counts["canceled"], canceled.counts["pending"]) == (0, 1)
    answers.set()
    await stage.handle(begun.id).result()
    assert await outcomes(stage, canceled) == {slow: "scheduled"}


async def test_whose_answer_is_lost_while_it_is_canceled_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canceled between the look at an item and its command, of which nobody hears more."""
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    lost = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    asks = subscriptions.command

    async def ask(engine: Engine, subscription: str, name: str, make: Any) -> Any:
        monkeypatch.undo()
        await canceled_by(stage, code)
        await asks(engine, subscription, name, make)
        raise EngineUnavailable("no answer")

    monkeypatch.setattr(subscriptions, "command", ask)
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))
    await stage.handle(begun.id).result()
    assert (await stage.state(lost)).scheduled_change is not None
    assert await outcomes(stage, await plan_migrations.get(stage.engine, begun.id)) == {lost: "scheduled"}


async def test_a_command_that_no_worker_takes_is_carried_out_later_and_told_of(faulty: Engine) -> None:
    """Temporal keeps it after the caller has given up; the migration is canceled in the meantime."""
    stage = Stage(faulty)
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    async with build_worker(faulty):
        sub = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    begun = await plan_migrations.create(faulty, NewPlanMigration(plan=code))
    with pytest.raises(EngineUnavailable):
        await plan_migration_pages.turn_page(faulty, begun.id)
    canceled = await plan_migrations.cancel(faulty, begun.id)
    async with build_worker(faulty):
        await stage.handle(begun.id).result()
        assert (await stage.state(sub)).scheduled_change is not None
        assert await outcomes(stage, canceled) == {sub: "scheduled"}


async def test_a_canceled_migration_that_waits_for_an_answer_is_live(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workflow is missed, and started again; so it ends."""
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    slow = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    asks = subscriptions.command

    async def ask(engine: Engine, subscription: str, name: str, make: Any) -> Any:
        await asks(engine, subscription, name, make)
        raise CommandPending(await stage.view(subscription))

    monkeypatch.setattr(subscriptions, "command", ask)
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))
    await has_it(stage, begun.id, slow)
    canceled = await plan_migrations.cancel(stage.engine, begun.id)

    async def cause() -> str:
        return next((each.cause for each in await find_stuck(stage.engine) if each.id == begun.id), "")

    assert "none of 1 subscriptions answers" in await eventually(cause)
    await stage.handle(begun.id).terminate()
    assert await cause() == NO_WORKFLOW.removeprefix("it lives, but ")
    assert Finding(begun.id, NO_WORKFLOW) in await missing(stage)
    monkeypatch.undo()
    assert await plan_migrations.repair(stage.engine, begun.id)
    await stage.handle(begun.id).result()
    assert await outcomes(stage, canceled) == {slow: "scheduled"}
    assert Finding(begun.id, NO_WORKFLOW) not in await missing(stage)
    assert not await plan_migrations.repair(stage.engine, begun.id)


async def test_what_an_attempt_hears_late_does_not_replace_an_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another attempt at the same page has had the answer, and the migration may be over."""
    code, clock = await old_plan(stage), await stage.clock("2026-04-01 00:00")
    sub = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")

    async def ask(engine: Engine, subscription: str, name: str, make: Any) -> Any:
        monkeypatch.undo()
        sets = "UPDATE plan_migration_items SET status = 'refused', code = 'change_pending' WHERE subscription_id = :id"
        await stage.execute(sets, id=subscription)
        raise CommandPending(await stage.view(subscription))

    monkeypatch.setattr(subscriptions, "command", ask)
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=code))
    await stage.handle(begun.id).result()
    assert await outcomes(stage, await plan_migrations.get(stage.engine, begun.id)) == {sub: "change_pending"}
