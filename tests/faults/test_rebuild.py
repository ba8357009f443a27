"""Rows are written again from the history, and what an earlier history has led to is not taken away for it."""

from dataclasses import replace

import pytest

from perennial.engine import runs, subscriptions
from perennial.engine.context import Engine
from perennial.support import histories, steps
from perennial.support import rebuild as module
from perennial.support.histories import Line, Run, fetch, line_before, line_of
from perennial.support.rebuild import rebuild
from perennial.support.reset import planned, reset
from perennial.support.steps import Step, UnknownStep
from tests.faults.test_broken_subscriptions import change_fails, working
from tests.support.stage import Stage
from workflows import subscription as workflow

SPANS = "SELECT starts_at, ends_at FROM service_spans WHERE subscription_id = :id ORDER BY starts_at"


async def a_life(stage: Stage, plan: str = "basic-monthly") -> tuple[str, str]:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, plan)
    await stage.advance(clock, "2026-03-15 10:00")
    return sub, clock


async def three_lives(stage: Stage) -> str:
    """Ended and reactivated, and again."""
    sub, clock = await a_life(stage)
    for until in ("2026-05-15 10:00", "2026-06-20 10:00"):
        await stage.send(sub, "cancel", when="now")
        await stage.send(sub, "reactivate")
        await stage.advance(clock, until)
    return sub


async def a_stranger(stage: Stage, sub: str, step: int) -> None:
    await stage.execute(
        "INSERT INTO timeline_entries (subject_id, step, position, at, kind, actor, data) "
        "VALUES (:id, :step, 7, now(), 'period_began', 'nobody', '{}')",
        id=sub,
        step=step,
    )


async def life_before(engine: Engine, sub: str) -> str:
    """The id of its last run."""
    earlier = await line_before(engine, await line_of(engine, sub))
    assert earlier is not None
    return earlier.current.id


async def is_told_again(stage: Stage, sub: str) -> None:
    """Of both lives: what is gone comes back, a stranger's entry goes, everything else stays."""
    told, spans, state = await stage.timeline(sub), await stage.rows(SPANS, id=sub), await stage.state(sub)
    assert len(spans) > 2
    await stage.execute("DELETE FROM service_spans WHERE subscription_id = :id AND starts_at < '2026-03-01'", id=sub)
    await stage.execute("DELETE FROM timeline_entries WHERE subject_id = :id AND at < '2026-03-01'", id=sub)
    await a_stranger(stage, sub, step=1)
    await a_stranger(stage, sub, step=state.step + 1)
    done = await rebuild(stage.engine, sub)
    assert (done.row, done.dropped, done.is_whole) == ("right", 2, True)
    assert (await stage.timeline(sub), await stage.rows(SPANS, id=sub)) == (told, spans)
    with pytest.raises(UnknownStep, match="belongs to a history that has ended"):
        await planned(stage.engine, sub, to="renewal 2026-02-28")


async def test_a_life_that_was_started_again_from_its_row(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    await stage.handle(sub).terminate("an operator's mistake")
    await stage.advance(clock, "2026-04-15 10:00")
    await is_told_again(stage, sub)


async def test_one_that_was_reactivated_twice(engine: Engine) -> None:
    stage = Stage(engine)
    sub = await three_lives(stage)
    await is_told_again(stage, sub)


async def test_the_way_that_a_reset_had_left_is_no_life_before(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    left = await line_of(engine, sub)
    done = await reset(engine, await planned(engine, sub, to="renewal 2026-02-28"), why="a test")
    await stage.handle(sub).terminate("an operator's mistake")
    await stage.advance(clock, "2026-04-15 10:00")
    assert await life_before(engine, sub) == done.run_id != left.current.id
    await is_told_again(stage, sub)


async def test_what_an_earlier_life_has_led_to_stays_when_its_history_is_gone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    await stage.handle(sub).terminate("an operator's mistake")
    await stage.advance(clock, "2026-04-15 10:00")
    run_id = await life_before(engine, sub)

    async def fetched(engine: Engine, subscription: str, asked: str) -> Run | None:
        """As when Temporal's retention has passed."""
        return None if asked == run_id else await fetch(engine, subscription, asked)

    monkeypatch.setattr(histories, "fetch", fetched)
    told, spans, state = await stage.timeline(sub), await stage.rows(SPANS, id=sub), await stage.state(sub)
    await a_stranger(stage, sub, step=state.step + 1)
    done = await rebuild(engine, sub)
    assert (done.row, done.dropped, done.is_whole) == ("right", 1, False)
    assert (await stage.timeline(sub), await stage.rows(SPANS, id=sub)) == (told, spans)


async def test_what_an_earlier_life_was_in_the_middle_of_when_it_was_lost(faulty: Engine) -> None:
    """The step was written down, and Temporal had not been told so: its row says that, and counts."""
    stage = Stage(faulty)
    async with working(faulty):
        sub, clock = await a_life(stage, "team-monthly")
    await change_fails(faulty, stage, sub)
    await stage.handle(sub).terminate("an operator's mistake")
    await runs.repair(faulty, await subscriptions.get(faulty, sub))
    # Nobody works, so it does not say itself where it stands. Its way to the test clock's time is a new one.
    assert (await rebuild(faulty, sub)).columns == ("state",)
    assert (await subscriptions.get(faulty, sub)).quantity == 3
    async with working(faulty):
        await stage.advance(clock, "2026-04-15 10:00")
        told, spans = await stage.timeline(sub), await stage.rows(SPANS, id=sub)
        await stage.execute("DELETE FROM timeline_entries WHERE subject_id = :id", id=sub)
        await stage.execute("DELETE FROM service_spans WHERE subscription_id = :id", id=sub)
        assert (await rebuild(faulty, sub)).is_whole
        assert (await stage.timeline(sub), await stage.rows(SPANS, id=sub)) == (told, spans)


async def test_what_cannot_be_read_of_a_life_in_between_is_not_taken_away(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(engine)
    sub = await three_lives(stage)
    between = await life_before(engine, sub)

    async def steps_of(engine: Engine, line: Line) -> list[Step]:
        """As when today's code cannot read what yesterday's had written."""
        found = await steps.steps_of(engine, line)
        return [replace(step, task=None) for step in found] if line.current.id == between else found

    monkeypatch.setattr(module, "steps_of", steps_of)
    told, spans, state = await stage.timeline(sub), await stage.rows(SPANS, id=sub), await stage.state(sub)
    await a_stranger(stage, sub, step=state.step + 1)
    done = await rebuild(engine, sub)
    assert (done.row, done.dropped) == ("right", 1)
    assert (await stage.timeline(sub), await stage.rows(SPANS, id=sub)) == (told, spans)


async def test_what_came_after_the_row_that_a_restored_database_had_is_no_more(engine: Engine) -> None:
    """The life before went further than the row from which the one of today was started."""
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    restored = await subscriptions.get(engine, sub)
    for _ in range(3):
        await stage.send(sub, "cancel")
        await stage.send(sub, "undo_cancel")
    await stage.handle(sub).terminate("with the machine")
    await stage.execute("DELETE FROM timeline_entries WHERE subject_id = :id AND step > :at", id=sub, at=restored.step)
    await runs.repair(engine, restored)
    await stage.advance(clock, "2026-04-15 10:00")
    assert restored.step < (await stage.state(sub)).step
    await is_told_again(stage, sub)


async def test_a_hole_in_the_life_of_today_is_not_stepped_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that continues another bears its memo too; what was between them is told by nobody."""
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    await stage.handle(sub).terminate("an operator's mistake")
    await stage.advance(clock, "2026-04-15 10:00")
    monkeypatch.setattr(workflow, "EVENTS_PER_RUN", 1)
    await stage.advance(clock, "2026-06-15 10:00")
    first, *others = (await line_of(engine, sub)).runs
    assert others

    async def fetched(engine: Engine, subscription: str, asked: str) -> Run | None:
        return None if asked == first.id else await fetch(engine, subscription, asked)

    monkeypatch.setattr(histories, "fetch", fetched)
    told = await stage.timeline(sub)
    assert not (await rebuild(engine, sub)).is_whole
    assert await stage.timeline(sub) == told
