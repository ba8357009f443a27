"""A request to reset that is sent again, because nobody heard its answer, resets nothing a second time."""

import asyncio

from perennial.engine.context import Engine
from perennial.support.reset import planned, reset
from tests.support.stage import Stage

WHY = "support action 1"


async def test_one_request_is_one_reset_however_often_it_comes(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-06-01 10:00")
    charged = await stage.captures(sub)
    wanted = await planned(stage.engine, sub, to="2")
    both = await asyncio.gather(*(reset(stage.engine, wanted, why=WHY, request_id="req_1") for _ in range(2)))
    later = await reset(stage.engine, await planned(stage.engine, sub, to="1"), why=WHY, request_id="req_1")
    assert len({done.run_id for done in (*both, later)}) == 1
    other = await reset(stage.engine, await planned(stage.engine, sub, to="1"), why=WHY, request_id="req_11")
    assert other.run_id != later.run_id
    assert await stage.captures(sub) == charged
    await stage.once_each(sub)
