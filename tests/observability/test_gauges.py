"""What the database says of how things stand, and how old the newest backup is."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.db.engine import make_engine, make_sessions
from perennial.domain.disputes import DisputeStatus
from perennial.engine import disputes
from perennial.engine.context import Engine
from perennial.observability.gauges import CACHE_SECONDS, BackupAge, DatabaseGauges
from perennial.observability.in_time import InTime
from perennial.ports import GatewayEvent, GatewayEventKind
from perennial.relay import _parts
from tests.observability.conftest import at_rest
from tests.support.stage import Stage

Told = dict[tuple[str, ...], float]


def told(gauges: DatabaseGauges) -> Told:
    """By name and the values of the labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value for family in gauges.collect() for sample in family.samples
    }


@pytest.fixture
def look(engine: Engine) -> Callable[[], Told]:
    return lambda: told(DatabaseGauges(engine.settings, engine.sessions))


async def test_what_waits_is_told(engine: Engine, look: Callable[[], Told]) -> None:
    stage = Stage(engine)
    sub = await at_rest(stage, None)
    other = await at_rest(stage, await stage.clock("2026-01-31 10:00"))
    # Out of sight for one look: the two are as close to each other as can be, for what others left may still move.
    status = "UPDATE subscriptions SET status = :status WHERE id = :id"
    for each in (sub, other):
        await stage.execute(status, status="ended for a look", id=each)
    before = look()
    for each in (sub, other):
        await stage.execute(status, status="active", id=each)
    late = "UPDATE subscriptions SET next_due_at = now() - interval '2 hours' WHERE id = :id"
    owed = "UPDATE subscriptions SET dunning_attempt = 7 WHERE id = :id"
    asked = "UPDATE payment_attempts SET status = 'pending', started_at = now() - interval '1 hour' WHERE id = :id"
    for each in (sub, other):
        await stage.execute(late, id=each)
        await stage.execute(owed, id=each)
    [[attempt]] = await stage.rows(
        "SELECT a.id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE i.subscription_id = :id",
        id=sub,
    )
    await stage.execute(asked, id=attempt)
    await stage.execute(
        "INSERT INTO outbox_messages (key, kind, payload, occurred_at, next_attempt_at, attempts)"
        " VALUES (:id, 'x', '{}', now(), now() - interval '1 hour', 5)",
        id=f"gauge:{sub}",
    )
    try:
        after = look()
    finally:
        await stage.execute("UPDATE payment_attempts SET status = 'succeeded' WHERE id = :id", id=attempt)
        await stage.execute("DELETE FROM outbox_messages WHERE key = :id", id=f"gauge:{sub}")
        for each in (sub, other):
            await stage.execute("UPDATE subscriptions SET next_due_at = now() + interval '1 year',"
                                " dunning_attempt = 0 WHERE id = :id", id=each)  # fmt: skip

    def grown(*name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert after["perennial_database_up",] == 1
    assert grown("perennial_subscriptions", "active", "real") == 1
    assert grown("perennial_subscriptions", "active", "test") == 1
    assert grown("perennial_stuck", "overdue") == 1, "a test clock is never late"
    assert grown("perennial_stuck", "payment_unanswered") == 1
    assert grown("perennial_stuck", "never_begun") == 0
    assert grown("perennial_dunning_cases", "7") == 1
    assert grown("perennial_outbox_messages", "failing") == 1
    assert after["perennial_overdue_seconds",] >= 7200
    assert after["perennial_outbox_age_seconds",] >= 3600


async def test_disputes_are_counted(engine: Engine, look: Callable[[], Told]) -> None:
    stage, name = Stage(engine), ("perennial_disputes", "simulator")
    before = look()
    sub = await at_rest(stage, None)
    [row] = await stage.rows(
        "SELECT a.* FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE i.subscription_id = :id",
        id=sub,
    )
    ref = await disputes.simulate(engine, row.id, DisputeStatus.OPEN)
    opened = GatewayEventKind.DISPUTE_OPENED
    event = GatewayEvent(f"evt_{ref}", opened, row.key, ref, None, None, row.amount, row.currency)
    await disputes.hear(engine, "simulator", event)
    assert look()[*name, "open"] == before.get((*name, "open"), 0) + 1


async def test_the_herds_window_is_no_lateness(engine: Engine) -> None:
    stage = Stage(engine)
    sub = await at_rest(stage, None)
    await stage.execute("UPDATE subscriptions SET next_due_at = now() - interval '30 minutes' WHERE id = :id", id=sub)
    windowed = engine.settings.model_copy(update={"renewal_window_seconds": 86_400})
    strict, lenient = (told(DatabaseGauges(each, engine.sessions)) for each in (engine.settings, windowed))
    await stage.execute("UPDATE subscriptions SET next_due_at = now() + interval '1 year' WHERE id = :id", id=sub)
    assert strict["perennial_stuck", "overdue"] - lenient["perennial_stuck", "overdue"] >= 1
    assert strict["perennial_overdue_seconds",] >= 1800
    assert lenient["perennial_overdue_seconds",] < strict["perennial_overdue_seconds",]


def test_the_database_is_not_asked_at_every_scrape(engine: Engine) -> None:
    now = 0.0
    gauges = DatabaseGauges(engine.settings, engine.sessions, clock=lambda: now)
    first = gauges.collect()
    now = CACHE_SECONDS - 1
    assert gauges.collect() is first
    now = CACHE_SECONDS
    assert gauges.collect() is not first


def test_a_database_that_is_away_is_said_and_nothing_old_is_told(engine: Engine) -> None:
    away = make_engine("postgresql+psycopg2://postgres@127.0.0.1:1/none", pool_size=1)
    assert told(DatabaseGauges(engine.settings, make_sessions(away))) == {("perennial_database_up",): 0}
    away.dispose()


def test_a_database_that_accepts_and_never_answers_is_away_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen server, a cut cable: no error comes, and the scrape must end all the same."""
    monkeypatch.setattr("perennial.observability.gauges.PATIENCE_SECONDS", 0.05)
    asked, thawed, now = [], Event(), 0.0

    def frozen() -> Session:
        asked.append(now)
        thawed.wait()
        return engine.sessions()

    gauges = DatabaseGauges(engine.settings, frozen, clock=lambda: now)  # type: ignore[arg-type]
    assert told(gauges) == {("perennial_database_up",): 0}
    now = CACHE_SECONDS
    assert told(gauges) == {("perennial_database_up",): 0}
    assert asked == [0.0], "nobody else is sent to wait at the same door"
    assert [part.detail for part in _parts(InTime(frozen, 0.05))] == ["no answer within three seconds"]  # type: ignore[arg-type]
    thawed.set()
    monkeypatch.undo()
    gauges = DatabaseGauges(engine.settings, frozen)  # type: ignore[arg-type]
    assert told(gauges)["perennial_database_up",] == 1


async def test_no_gauge_reads_long(engine: Engine) -> None:
    def slow() -> str:
        with engine.sessions() as session:
            session.execute(text("SELECT 1"))
            return str(session.scalar(text("SHOW statement_timeout")))

    list(DatabaseGauges(engine.settings, engine.sessions).collect())
    assert slow() == "0", "the limit holds for the gauges' own transaction alone"


def test_the_newest_finished_backup_counts(tmp_path: Path) -> None:
    def age() -> list[float]:
        return [sample.value for family in BackupAge(tmp_path).collect() for sample in family.samples]

    assert age() == []
    for name, at in (("lost+found", 500), ("perennial-20261122T000000Z.partial", 400), (".perennial-20261122", 300)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (at, at))
    assert age() == []
    for name, at in (("perennial-20261120T000000Z", 100), ("perennial-20261121T000000Z", 200)):
        (tmp_path / name).mkdir(mode=0o000)  # the relay need not be who wrote it
        os.utime(tmp_path / name, (at, at))
    assert age() == [200]
    assert list(BackupAge(None).collect()) == []
    assert list(BackupAge(tmp_path / "none").collect()) == []
