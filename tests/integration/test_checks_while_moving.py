"""A check finds nothing wrong while everything is on the move: what is under way is no finding."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from perennial.checks import run_checks
from perennial.engine import clocks
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.integration.world import World

CARDS = ("pm_card_visa", "pm_card_declines_charges_2_to_3", "pm_card_captures_then_times_out", "pm_card_slow_50")


@pytest.fixture
async def engine(live_stack: Stack) -> AsyncIterator[Engine]:
    engine = await open_engine(live_stack.settings())
    prepare_gateway(engine.gateway)
    yield engine
    engine.close()


async def test_checks_pass_while_a_season_passes(engine: Engine) -> None:
    from perennial.engine import demo_catalog

    await demo_catalog.seed(engine)
    clock = await clocks.create(engine, name="moving", now=datetime(2026, 1, 31, 10, tzinfo=UTC))
    world = World(engine, clock.id)
    for number in range(8):
        plan = "box-weekly" if number % 2 else "basic-monthly"
        await world.subscribe(f"s{number}", plan, CARDS[number % len(CARDS)])

    moving = asyncio.create_task(clocks.advance(engine, clock.id, by=timedelta(days=100)))
    looks = 0
    while not moving.done():
        wrong = [result for result in await run_checks(engine) if not result.ok]
        assert wrong == []
        looks += 1
    await moving

    assert looks >= 2
    assert all(result.ok for result in await run_checks(engine))
