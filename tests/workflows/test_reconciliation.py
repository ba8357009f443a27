"""Tours of the reconciler on the real server: started by schedules, repairs without a charge, gauges."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from perennial.checks.look import look_at
from perennial.checks.telling import announce_opened
from perennial.checks.tours import turn_page
from perennial.contracts.reconciliation import RECONCILIATION, Place, Tour
from perennial.contracts.workflows import BOOKKEEPING
from perennial.db.repositories import findings
from perennial.db.repositories.findings import Found
from perennial.db.repositories.records import load_state
from perennial.engine.context import Engine
from perennial.gateways.simulator.witness import witness
from perennial.observability.gauges import DatabaseGauges
from perennial.support.repairs import repair
from perennial.temporal.schedules import RECONCILE_CHECKS, RECONCILE_GATEWAYS, ensure_schedules
from tests.support.stage import Stage, eventually

ROWS, SPANS = "rows_match_workflows", "spans_tile"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.checks.result._BETWEEN_LOOKS_SECONDS", 0.02)


@pytest.fixture
async def alone(engine: Engine) -> AsyncIterator[Engine]:
    """What a test here finds is not found by others."""
    yield engine
    await Stage(engine).execute("DELETE FROM findings WHERE first_seen > now() - interval '1 hour'")


def at(engine: Engine, subject: str) -> Place:
    """The page on which the workflow of this subject is looked for, and nothing else."""
    before = subject[:-1] + chr(ord(subject[-1]) - 1)
    return Place(Tour.CHECKS, began_at=engine.clock(), round=ROWS, after=before, limit=1)


async def lived(stage: Stage) -> str:
    """Ends in a letter or digit that has one before it."""
    clock = await stage.clock("2026-01-31 10:00")
    while True:
        sub = await stage.subscribe(clock)
        if sub[-1] not in "0a":
            await stage.advance(clock, "2026-03-15 10:00")
            return sub


async def finding(stage: Stage, subject: str) -> Any:
    [row] = await stage.rows("SELECT * FROM findings WHERE subject = :id", id=subject)
    return row


async def test_a_terminated_workflow_comes_back_and_nothing_is_charged(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await lived(stage)
    charged = await stage.captures(sub)
    await stage.handle(sub).terminate("an operator's mistake")

    async def is_back() -> bool:
        """The visibility store lags a little: a tour right after may still think that it runs."""
        await turn_page(alone, at(alone, sub), repair)
        return (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.RUNNING

    await eventually(is_back)
    told = await finding(stage, sub)
    assert (told.source, told.kind, told.detail) == (ROWS, ROWS, "it lives, but no workflow runs for it")
    assert told.repair == "its workflow was started again from its row"
    assert told.repaired_at is not None
    assert told.resolved_at is not None, "it was looked at again at once"
    [audited] = await stage.rows("SELECT * FROM support_actions WHERE subject = :id", id=sub)
    assert (audited.actor, audited.action, audited.outcome) == ("reconciler", "retry", told.repair)
    assert (await stage.progress(sub)).wake_at is not None
    assert await stage.captures(sub) == charged
    await stage.once_each(sub)


async def test_a_vanished_row_is_written_from_the_history(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await lived(stage)
    [before] = await stage.rows("SELECT * FROM subscriptions WHERE id = :id", id=sub)
    charged = await stage.captures(sub)
    await stage.execute("DELETE FROM subscriptions WHERE id = :id", id=sub)

    async def is_back() -> list[Any]:
        # No row bears its name any more, so no slice ends at it: it lies in the one that ends further on.
        await turn_page(alone, at(alone, sub), repair)
        return await stage.rows("SELECT * FROM subscriptions WHERE id = :id", id=sub)

    [after] = await eventually(is_back)
    assert (after.status, after.period_end) == (before.status, before.period_end)
    assert load_state(after.state) == await stage.state(sub)
    told = await finding(stage, sub)
    assert (told.repair, told.resolved_at is None) == ("its row was written from the history", False)
    assert await stage.captures(sub) == charged


async def test_vanished_spans_are_written_from_the_history(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await lived(stage)
    spans = "SELECT starts_at, ends_at, kind FROM service_spans WHERE subscription_id = :id ORDER BY starts_at"
    before = await stage.rows(spans, id=sub)
    await stage.execute("DELETE FROM service_spans WHERE subscription_id = :id", id=sub)
    await turn_page(alone, replace(at(alone, sub), round=SPANS), repair)
    assert await stage.rows(spans, id=sub) == before != []
    [told] = await stage.rows("SELECT * FROM findings WHERE subject = :id AND source = :of", id=sub, of=SPANS)
    assert (told.detail, told.repair) == (
        "it has no span of service",
        f"{len(before)} spans were written from the history",
    )
    assert told.resolved_at is not None


async def test_what_a_repair_has_not_mended_stays_open(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await lived(stage)
    await stage.execute("DELETE FROM service_spans WHERE subscription_id = :id", id=sub)

    async def in_vain(_engine: Engine, _source: str, found: Sequence[Found]) -> bool:
        assert sub in [one.subject for one in found]
        return True

    await turn_page(alone, replace(at(alone, sub), round=SPANS), in_vain)
    assert (await finding(stage, sub)).resolved_at is None
    await turn_page(alone, replace(at(alone, sub), round=SPANS), repair)
    assert (await finding(stage, sub)).resolved_at is not None


async def test_what_runs_is_left_alone(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await lived(stage)
    run = (await stage.handle(sub).describe()).run_id

    await repair(alone, ROWS, [Found(ROWS, sub, "it lives, but no workflow runs for it")])

    assert (await stage.handle(sub).describe()).run_id == run


async def test_an_ended_one_is_not_woken(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await lived(stage)
    await stage.send(sub, "cancel", when="now")

    await repair(alone, ROWS, [Found(ROWS, sub, "it lives, but no workflow runs for it")])

    assert (await stage.handle(sub).describe()).status is WorkflowExecutionStatus.COMPLETED
    assert await stage.rows("SELECT FROM support_actions WHERE subject = :id", id=sub) == []


async def test_a_tour_of_the_gateways_goes_through_the_server(alone: Engine) -> None:
    stage = Stage(alone)
    sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"))
    workflow = f"reconciliation-{uuid4().hex[:8]}"
    await alone.temporal.execute_workflow(
        RECONCILIATION, Place(Tour.GATEWAYS, limit=500), id=workflow, task_queue=alone.settings.task_queue
    )
    told = await asyncio.to_thread(witness, alone.db)
    kept = await stage.rows("SELECT charge_key, captured FROM gateway_charges WHERE gateway = 'simulator'")
    captured = {row.charge_key: row.captured for row in kept}
    assert {key: capture.amount for key, capture in told.by_charge_key.items() if f":{sub}:" in key}.items() <= (
        captured.items()
    )
    [tour] = await stage.rows("SELECT * FROM tours WHERE name = 'gateways'")
    assert tour.began_at < tour.ended_at
    description = await alone.temporal.get_workflow_handle(workflow).describe()
    assert description.history_length < 60


async def forget_schedules(engine: Engine) -> None:
    """Those too that a worker of another test has made: they start workflows on a queue that nobody serves any more."""
    for name in (RECONCILE_GATEWAYS, RECONCILE_CHECKS, BOOKKEEPING.lower()):
        with contextlib.suppress(RPCError):
            await engine.temporal.get_schedule_handle(name).delete()
    async for left in engine.temporal.list_workflows(f"WorkflowType = '{RECONCILIATION}' AND CloseTime IS NULL"):
        with contextlib.suppress(RPCError):
            await engine.temporal.get_workflow_handle(left.id).terminate()


async def test_the_schedules_are_made_once_and_start_the_tours(engine: Engine) -> None:
    await forget_schedules(engine)
    for _ in range(2):
        await ensure_schedules(engine.temporal, engine.settings.task_queue)
    handles = {name: engine.temporal.get_schedule_handle(name) for name in (RECONCILE_GATEWAYS, RECONCILE_CHECKS)}
    try:
        hours = {name: len((await handle.describe()).schedule.spec.calendars) for name, handle in handles.items()}
        assert hours == {RECONCILE_GATEWAYS: 1, RECONCILE_CHECKS: 1}
        await handles[RECONCILE_GATEWAYS].trigger()

        async def ran() -> bool:
            info = (await handles[RECONCILE_GATEWAYS].describe()).info
            running = [await look_at(engine, each.workflow_id) for each in info.running_actions]
            assert info.recent_actions
            assert not running, (info, running)
            return True

        await eventually(ran)
    finally:
        await forget_schedules(engine)


async def test_gauges_tell_how_many_are_open(alone: Engine) -> None:
    source = f"gateway:{uuid4().hex[:8]}"
    now = alone.clock()
    found = [Found("unknown_here", f"charge:{n}", "it differs") for n in range(3)]
    await alone.write(lambda session: findings.record(session, source, found, now))
    assert told(alone)["perennial_findings", source] == 3
    await alone.write(lambda session: findings.record(session, source, found[:1], now + timedelta(seconds=1)))
    await alone.write(lambda session: findings.resolve(session, source, now + timedelta(seconds=1), now))
    assert told(alone)["perennial_findings", source] == 1
    await alone.write(lambda session: findings.tour_ended(session, source, now, now))
    assert told(alone)["perennial_tour_timestamp_seconds", source] == pytest.approx(now.timestamp())
    await Stage(alone).execute("DELETE FROM tours WHERE name = :name", name=source)


def told(engine: Engine) -> dict[tuple[str, ...], float]:
    gauges = DatabaseGauges(engine.settings, engine.sessions)
    return {(one.name, *one.labels.values()): one.value for family in gauges.collect() for one in family.samples}


async def test_only_what_is_new_is_told(alone: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr("perennial.checks.telling.tell", lambda *given: sent.append(given[1:]))
    first = replace(Place(Tour.GATEWAYS), began_at=alone.clock())
    later = replace(first, began_at=alone.clock())
    one = Found("unknown_here", "charge:x", "it differs")
    for place in (first, later):
        await alone.write(lambda session, at=place.began_at: findings.record(session, "gateway:x", [one], at))
        await alone.write(lambda session: findings.repaired(session, "gateway:x", one, "mended", alone.clock()))
        await announce_opened(alone, place)

    assert json.loads(json.dumps(sent)) == [
        ["perennial gateways: 1 new findings", ["gateway:x: unknown_here: charge:x: it differs (mended)"]]
    ]
