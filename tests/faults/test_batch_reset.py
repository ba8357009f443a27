"""Resetting many: what a build has decided, what a query finds; again, and there is nothing left to do."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio import workflow

from activities import batch_resets as activity
from perennial.checks.look import look_at
from perennial.contracts.activities import Record
from perennial.contracts.workflows import BatchTurned
from perennial.domain.errors import InvalidInput
from perennial.domain.subscription.effects import Decision
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.support import batch_pages, batch_resets
from perennial.support.audit import Who
from perennial.support.batch import Item, Meant, Outcome, found
from perennial.support.batch_resets import Progress, Status
from perennial.support.plan import ChargeInFlight
from perennial.support.reset import life, planned, refuse_while_busy
from tests.faults.conftest import Workers
from tests.support.builds import at_rest, built, decided_by_another, promote
from tests.support.retold import facts
from tests.support.stage import Stage, at, eventually
from workflows.effects import write
from workflows.registry import WORKFLOWS
from workflows.subscription import SubscriptionWorkflow

NOW = "2026-03-10 10:00"
TESTER = Who("tester", "a bug")


@pytest.fixture
def stage(faulty: Engine) -> Stage:
    return Stage(faulty)


async def gone_through(stage: Stage, begun: Progress) -> tuple[str, list[Item]]:
    """How the batch ended, and what became of each."""
    await stage.handle(begun.batch.id).result()
    made = await batch_resets.get(stage.engine, begun.batch.id)
    return made.batch.status, list((await batch_resets.items(stage.engine, begun.batch.id)).items)


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
            return await found(faulty, Meant(build=bad)) == subs

        await eventually(listed)
        before = [await facts(stage, sub) for sub in subs]
        halted = await batch_resets.create(faulty, Meant(build=bad), TESTER)
        how, items = await gone_through(stage, halted)
        assert how == Status.HALTED
        assert items[0].outcome is Outcome.DECIDED_AGAIN
        assert f"build {bad} has decided it again" in items[0].words
    monkeypatch.undo()

    async with at_work(mended):
        for sub in subs:
            await stage.handle(sub).signal("unheard_of")

            async def stands_still(sub: str = sub) -> bool:
                return (await look_at(faulty, sub)).task_attempts > 1

            await eventually(stands_still)
        looked = await batch_resets.create(faulty, Meant(build=bad))
        how, items = await gone_through(stage, looked)
        would = [(item.subscription, item.outcome, item.to) for item in items]
        assert (how, would) == (
            Status.LOOKED,
            [(sub, Outcome.WOULD_RESET, "3 renewal 2026-02-28") for sub in subs],
        )
        how, items = await gone_through(stage, await batch_resets.let_go(faulty, halted.batch.id, TESTER))
        assert (how, [item.outcome for item in items]) == (Status.COMPLETED, [Outcome.RESET] * 2), items
        how, items = await gone_through(stage, await batch_resets.let_go(faulty, looked.batch.id, TESTER))
        assert (how, [item.outcome for item in items]) == (Status.COMPLETED, [Outcome.NOTHING_TO_DO] * 2)
        assert [await facts(stage, sub) for sub in subs] == before
        await stage.advance(clock, "2026-04-10 10:00")
        for sub in subs:
            _, steps = await life(faulty, sub)
            builds = [step.build for step in steps]
            assert (builds[0], builds[-1], bad in builds) == (good, mended, False)
            assert [step.name for step in steps].count("renewal 2026-02-28") == 1
            await stage.once_each(sub)
        with pytest.raises(InvalidInput, match="does not understand"):
            await batch_resets.create(faulty, Meant(query="Nonsense ==="))


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
            return await found(faulty, Meant(query=query)) == sorted([bad, good])

        await eventually(listed)
        _, items = await gone_through(stage, await batch_resets.create(faulty, Meant(query=query), TESTER))
        done = {item.subscription: item.outcome for item in items}
        assert done == {bad: Outcome.RESET, good: Outcome.NOTHING_TO_DO}
        assert (await stage.view(bad)).quantity == 3
        await stage.once_each(bad)


async def test_a_worker_killed_in_the_middle_of_a_page_resets_nobody_twice(
    faulty: Engine, stage: Stage, workers: Workers, tmp_path: Path
) -> None:
    """One has been reset and that is not yet written down: the next worker finds nothing to take back there."""
    async with decided_by_another(stage) as (build, subs):
        pass
    batch = new_id("brs")
    plan, marks = tmp_path / "plan.json", tmp_path / "marks"
    marks.mkdir()
    plan.write_text(json.dumps({batch: "turn_page_of_resets/reset"}))
    workers(str(plan), str(marks), slots=5)
    how, items = await gone_through(stage, await batch_resets.create(faulty, Meant(build=build), TESTER, batch))
    assert (marks / batch).exists()
    assert how == Status.COMPLETED
    assert [item.outcome for item in items] == [Outcome.NOTHING_TO_DO, Outcome.RESET]
    for sub in subs:
        asked = [description.raw_info async for description in faulty.temporal.list_workflows(f"WorkflowId = '{sub}'")]
        assert len(asked) == 2, "the run that was begun and the one that the reset made"
        await stage.once_each(sub)
    [[cut_off]] = await stage.rows(
        "SELECT count(*) FROM support_actions WHERE subject = ANY(:ids) AND outcome IS NULL", ids=subs
    )
    assert cut_off == 1


async def test_who_was_not_shown_as_to_be_reset_is_left_alone(faulty: Engine, stage: Stage) -> None:
    """Let go, it resets those it has shown, although the others could be by now."""
    async with decided_by_another(stage) as (build, subs):
        looked = await batch_resets.create(faulty, Meant(build=build))
        await gone_through(stage, looked)
        await stage.execute("UPDATE batch_reset_items SET outcome = 'refused' WHERE subscription_id = :id", id=subs[0])
        how, items = await gone_through(stage, await batch_resets.let_go(faulty, looked.batch.id, TESTER))
        assert (how, [item.outcome for item in items]) == (Status.COMPLETED, [Outcome.REFUSED, Outcome.RESET])
        assert await stage.rows("SELECT id FROM support_actions WHERE subject = :id", id=subs[0]) == []


async def test_a_page_stops_where_the_batch_is_canceled(
    faulty: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with decided_by_another(stage) as (build, subs):
        pass
    begun = await batch_resets.create(faulty, Meant(build=build))

    async def look_and_cancel(_engine: Engine, _workflows: object, subscription: str, _build: object) -> Item:
        await batch_resets.cancel(faulty, begun.batch.id, TESTER)
        return Item(subscription, Outcome.WOULD_RESET)

    monkeypatch.setattr(batch_pages, "look", look_and_cancel)
    turned = await batch_pages.turn_page(faulty, WORKFLOWS, begun.batch.id)
    assert (turned.status, turned.done, turned.total, turned.goes_on) == (Status.CANCELED, 1, len(subs), False)


async def test_a_batch_let_go_just_when_its_look_is_over_goes_on(
    faulty: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has not ended yet: no second one is begun, and the first must not end."""
    original = activity.turn_page

    async def turn_page(engine: Engine, workflows: Sequence[type], batch: str) -> BatchTurned:
        turned = await original(engine, workflows, batch)
        if turned.status == Status.LOOKED:
            await batch_resets.let_go(engine, batch, TESTER)
        return turned

    async with decided_by_another(stage) as (build, _):
        monkeypatch.setattr(activity, "turn_page", turn_page)
        how, items = await gone_through(stage, await batch_resets.create(faulty, Meant(build=build)))
        assert (how, [item.outcome for item in items]) == (Status.COMPLETED, [Outcome.RESET] * 2)
