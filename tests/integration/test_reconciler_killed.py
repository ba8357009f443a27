# ruff: noqa: S608 (the statements are our own)
"""kill -9 of the worker in the middle of a tour: the next worker goes on at that page, and everything is found."""

import os
import sys
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from perennial.contracts.reconciliation import RECONCILIATION, Place, Tour
from perennial.engine.context import Engine
from perennial.stack import ChildProcess, Stack
from tests.integration.planted.model import FIRST_ATTEMPT
from tests.integration.test_checks import spoil
from tests.integration.world import World
from tests.support.stage import eventually

# The page on which the worker is caught waits here, in the middle of its transaction.
_CATCH = """
CREATE FUNCTION catch() RETURNS trigger AS $$
BEGIN
    IF (SELECT count(*) FROM gateway_charges) >= 4 THEN PERFORM pg_advisory_xact_lock(77); END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER catch BEFORE INSERT ON gateway_charges FOR EACH ROW EXECUTE FUNCTION catch();
"""
_CAUGHT = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()
"""
Workers = Callable[[], ChildProcess]


@pytest.fixture
def queue() -> str:
    return f"reconciler-{uuid4().hex[:8]}"


@pytest.fixture
def worker(own_stack: Stack, copy: Engine, queue: str) -> Iterator[Workers]:
    """`perennial worker` on the copy, for nobody else's work."""
    started: list[ChildProcess] = []
    given = {
        "PERENNIAL_DATABASE_URL": str(copy.settings.database_url),
        "PERENNIAL_TASK_QUEUE": queue,
        "PERENNIAL_LOG_LEVEL": "warning",
    }
    environment = os.environ | own_stack.environment() | given

    def start() -> ChildProcess:
        child = ChildProcess("worker", [sys.executable, "-P", "-m", "perennial", "worker"], env=environment)
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()


@pytest.mark.long
async def test_a_tour_survives_its_worker(copy: Engine, healthy: World, worker: Workers, queue: str) -> None:
    charged = f"(SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})"
    amount = f"UPDATE simulator.payments SET amount = amount + 1 WHERE key = {charged}"
    spoil(copy, amount, **healthy.named)
    with copy.db.begin() as connection:
        connection.execute(text(_CATCH))
    trap = copy.db.connect()
    trap.execute(text("SELECT pg_advisory_lock(77)"))

    first = worker()
    tour = await copy.temporal.start_workflow(RECONCILIATION, Place(Tour.GATEWAYS, limit=2), id=queue, task_queue=queue)

    async def caught() -> bool:
        with copy.db.connect() as connection:
            return bool(connection.scalar(text(_CAUGHT)))

    await eventually(caught)
    first.kill()
    trap.execute(text("SELECT pg_advisory_unlock(77)"))
    trap.close()
    worker()
    await tour.result()

    with copy.db.connect() as connection:
        listed = connection.scalar(text("SELECT count(*) FROM gateway_charges"))
        there = connection.scalar(text("SELECT count(*) FROM simulator.payments WHERE amount > 0"))
        kinds = list(connection.scalars(text("SELECT kind FROM findings WHERE resolved_at IS NULL")))
    assert listed == there
    assert kinds == ["amount_differs"]
    history = await tour.fetch_history()
    again = [event.activity_task_started_event_attributes.attempt for event in history.events
             if event.HasField("activity_task_started_event_attributes")]  # fmt: skip
    assert max(again) == 2, "one page was turned twice, no other"
    assert again.count(2) == 1
