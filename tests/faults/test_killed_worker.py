"""kill -9 of the worker between any two steps, with real processes: one charge, one invoice, books that balance."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perennial.domain.subscription import Status
from perennial.engine.context import Engine
from tests.faults.conftest import Workers
from tests.support.stage import Stage, eventually

AROUND_A_COMMIT = ("commit 1", "committed 1", "commit 2", "committed 2")
CHARGE = ("started", *AROUND_A_COMMIT, "ask", "asked", "done")
BILL = [f"bill/{step}" for step in CHARGE] + ["workflow/told"]
COLLECT = [f"collect/{step}" for step in (*CHARGE, "commit 3", "committed 3")]
CREDIT = [f"credit/{step}" for step in CHARGE]
WEEK = timedelta(days=7)
PATIENCE_SECONDS = 150


class Herd:
    """Weekly subscriptions whose first period began a week ago, short of the moment at which all renew."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.plan: dict[str, str] = {}

    async def join(self, steps: list[str], card: str = "pm_card_visa") -> list[str]:
        async def one(step: str) -> str:
            subscription = await self.stage.subscribe(None, "box-weekly", card=f"{card}:{step}")
            self.plan[subscription] = step
            return subscription

        return await asyncio.gather(*(one(step) for step in steps))


async def _gathered(engine: Engine) -> tuple[Herd, list[str], list[str], list[str]]:
    """Those who renew, whose retry is asked for, who leave. All renew at one instant, which is still ahead.

    The machine's clock at the edge says a week ago, so the second period begins for real in some seconds. Whoever was
    too slow for that gathers another herd, with more time.
    """
    ahead = timedelta(seconds=16)
    while True:
        renewal = datetime.now(UTC).replace(microsecond=0) + ahead
        herd = Herd(Stage(replace(engine, clock=lambda renewal=renewal: renewal - WEEK)))
        parts = await asyncio.gather(
            herd.join(BILL), herd.join(COLLECT, "pm_card_declines_charges_2_to_2"), herd.join(CREDIT)
        )
        if datetime.now(UTC) < renewal:
            return herd, *parts
        ahead *= 2


async def _renewed(stage: Stage, subscription: str) -> None:
    """The first attempt at the second period has an outcome."""

    async def has_outcome() -> bool:
        attempts = await stage.rows(
            "SELECT status FROM payment_attempts WHERE key = :key", key=f"charge:invoice:{subscription}:1:period:1"
        )
        return [row.status for row in attempts] in (["succeeded"], ["declined"])

    await eventually(has_outcome, PATIENCE_SECONDS, pause=0.3)


async def _rests(stage: Stage, subscription: str, status: Status) -> None:
    async def at_rest() -> bool:
        progress = await stage.progress(subscription)
        return not progress.busy and (await stage.state(subscription)).status is status

    await eventually(at_rest, PATIENCE_SECONDS, pause=1.0)


@pytest.mark.timeout(180)
async def test_a_worker_killed_between_any_two_steps_charges_once(
    faulty: Engine, workers: Workers, tmp_path: Path
) -> None:
    """Renewals, retries and refunds in one wave; every subscription kills the worker once, each at another step."""
    plan, marks = tmp_path / "plan.json", tmp_path / "marks"
    marks.mkdir()
    plan.write_text("{}")
    first = workers(str(plan), str(marks))

    herd, renewing, retrying, leaving = await _gathered(faulty)
    assert first.is_running
    first.kill()
    plan.write_text(json.dumps(herd.plan))
    stage = Stage(faulty)
    stage.owners = herd.stage.owners
    workers(str(plan), str(marks))

    async def retries(subscription: str) -> None:
        await _renewed(stage, subscription)
        await stage.signal(subscription, "retry_payment", datetime.now(UTC))
        await _rests(stage, subscription, Status.ACTIVE)

    async def leaves(subscription: str) -> None:
        await _renewed(stage, subscription)
        await stage.signal(subscription, "cancel", datetime.now(UTC), when="now", refund="full")
        await _rests(stage, subscription, Status.CANCELED)

    async def renews(subscription: str) -> None:
        await _renewed(stage, subscription)
        await _rests(stage, subscription, Status.ACTIVE)

    stories = [(renews, renewing), (retries, retrying), (leaves, leaving)]
    await asyncio.gather(*(live(subscription) for live, herd_part in stories for subscription in herd_part))

    assert {path.name for path in marks.iterdir()} == set(herd.plan), "every planned kill has happened"
    for subscription in renewing + retrying:
        assert await stage.due_amounts(subscription) == [1400, 1400]
        assert [capture.refunded for capture in await stage.captures(subscription)] == [0, 0]
        await stage.once_each(subscription)
    for subscription in leaving:
        assert [capture.refunded for capture in await stage.captures(subscription)] == [0, 1400]
        await stage.once_each(subscription)
