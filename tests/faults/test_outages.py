"""PostgreSQL and Temporal stop and come back in the middle of a wave of renewals: late, but each once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from perennial.cli.migrations import upgrade
from perennial.domain import keys
from perennial.domain.subscription import Status
from perennial.engine import demo_catalog
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from perennial.stack.folder import StackFolder
from tests.support.stage import Stage, eventually
from worker import build_worker

HERD = 24
WEEK = timedelta(days=7)


@pytest.fixture
async def durable(tmp_path: Path) -> AsyncIterator[tuple[Stack, Engine]]:
    """A stack of one's own that forgets nothing when it is killed, as in production, with a worker."""
    with Stack(StackFolder(tmp_path / "state", throw_away=False), ui=False) as own:
        upgrade(own.database_url)
        engine = await open_engine(own.settings(), lazy=False)
        prepare_gateway(engine.gateway)
        await demo_catalog.seed(engine)
        async with build_worker(engine):
            yield own, engine
        engine.close()


async def _gathered(engine: Engine) -> list[str]:
    """Subscriptions that all renew at one instant, which is still ahead: a slow machine gets a later one."""
    ahead = timedelta(seconds=6)
    while True:
        renewal = datetime.now(UTC).replace(microsecond=0) + ahead
        stage = Stage(replace(engine, clock=lambda renewal=renewal: renewal - WEEK))
        herd = await asyncio.gather(
            *(stage.subscribe(None, "box-weekly", card=f"pm_card_slow_80:{uuid4().hex}") for _ in range(HERD))
        )
        if datetime.now(UTC) < renewal:
            return herd
        ahead *= 2


def _postgres(stack: Stack) -> None:
    assert stack.postgres is not None
    stack.postgres.kill()
    stack.postgres.start()


def _temporal(stack: Stack) -> None:
    assert stack.temporal is not None
    stack.temporal.kill()
    stack.temporal.start()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("outage", [_postgres, _temporal])
async def test_a_restart_in_the_middle_of_a_wave_loses_nothing(
    durable: tuple[Stack, Engine], outage: Callable[[Stack], None]
) -> None:
    stack, engine = durable
    herd = await _gathered(engine)
    stage = Stage(engine)

    async def charged() -> int:
        """Of the second period; the gateway needs 80 ms for each, so the wave lasts a while."""
        made = "SELECT count(*) FROM simulator.payments WHERE key = ANY(:keys)"
        found = await stage.rows(made, keys=[keys.charge(keys.period_invoice(each, 1), 1) for each in herd])
        return int(found[0][0])

    async def in_the_middle() -> bool:
        return await charged() >= HERD // 8

    await eventually(in_the_middle, seconds=30, pause=0.01)
    assert await charged() < HERD
    await asyncio.to_thread(outage, stack)

    async def renewed() -> bool:
        ours = "SELECT count(*) FROM invoices WHERE period_no = 1 AND status = 'paid' AND subscription_id = ANY(:ids)"
        paid = await stage.rows(ours, ids=herd)
        return bool(paid[0][0] == HERD)

    await eventually(renewed, seconds=90, pause=0.3)

    async def rests(subscription: str) -> bool:
        progress = await stage.progress(subscription)
        return not progress.busy and (await stage.view(subscription)).status == Status.ACTIVE

    for subscription in herd:
        await eventually(lambda subscription=subscription: rests(subscription), seconds=60, pause=0.3)
        assert await stage.due_amounts(subscription) == [1400, 1400]
        await stage.once_each(subscription)
