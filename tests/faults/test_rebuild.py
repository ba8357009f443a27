"""Rows are written again from the history, and what an earlier history has led to is not taken away for it."""

import pytest

from perennial.engine.context import Engine
from perennial.support.rebuild import rebuild
from perennial.support.reset import planned
from perennial.support.steps import UnknownStep
from tests.support.stage import Stage

SPANS = "SELECT starts_at, ends_at FROM service_spans WHERE subscription_id = :id ORDER BY starts_at"


async def a_life(stage: Stage) -> tuple[str, str]:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-03-15 10:00")
    return sub, clock


async def is_kept(stage: Stage, sub: str) -> None:
    """A stranger's entry goes, everything else stays."""
    told, spans = await stage.timeline(sub), await stage.rows(SPANS, id=sub)
    step = (await stage.state(sub)).step
    await stage.execute(
        "INSERT INTO timeline_entries (subject_id, step, position, at, kind, actor, data) "
        "VALUES (:id, :step, 7, now(), 'period_began', 'nobody', '{}')",
        id=sub,
        step=step + 1,
    )
    done = await rebuild(stage.engine, sub)
    assert (done.dropped, done.is_whole) == (1, False)
    assert (await stage.timeline(sub), await stage.rows(SPANS, id=sub)) == (told, spans)
    with pytest.raises(UnknownStep, match="belongs to a history that has ended"):
        await planned(stage.engine, sub, to="renewal 2026-02-28")


async def test_a_life_that_was_started_again_from_its_row(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    await stage.handle(sub).terminate("an operator's mistake")
    await stage.advance(clock, "2026-04-15 10:00")
    await is_kept(stage, sub)


async def test_one_that_was_reactivated(engine: Engine) -> None:
    stage = Stage(engine)
    sub, clock = await a_life(stage)
    await stage.send(sub, "cancel", when="now")
    await stage.send(sub, "reactivate")
    await stage.advance(clock, "2026-05-15 10:00")
    await is_kept(stage, sub)
