"""A database is lost and an older backup restored; the workflows have lived on. Nothing is lost, and nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, make_url, text

from activities.registry import writers
from perennial.backup import manifest
from perennial.backup.programs import run
from perennial.backup.recover import recover
from perennial.backup.restore import DatabaseInUse, restore
from perennial.backup.take import take
from perennial.checks import CHECKS, run_checks
from perennial.cli.migrations import upgrade
from perennial.domain.disputes import DisputeStatus
from perennial.domain.drafts import CollectBy
from perennial.domain.subscription.commands import RefundPolicy, When
from perennial.engine import credits, demo_catalog, disputes, gifts, refunds
from perennial.engine.context import Engine, open_engine
from perennial.engine.credits import NewGrant
from perennial.gateways.registry import prepare_gateway
from perennial.gateways.simulator.witness import Witness, witness
from perennial.stack import Stack
from tests.faults.test_reset_disputes import bank
from tests.replay.scene import authenticate, buy_gift, one_off_invoice
from tests.support.stage import Stage, at
from worker import build_worker

pytestmark = pytest.mark.long

# The server is shared with workflows of other tests, which have no rows here.
OF_THIS_DATABASE = [check.name for check in CHECKS if check.name != "rows_match_workflows"]
# Every table that workflows have written: what must be the same, in an order, without what is counted up by itself.
SAME = {
    "subscriptions": "SELECT to_jsonb(t) - 'run_id' FROM subscriptions t ORDER BY id",
    "gifts": "SELECT to_jsonb(t) - 'run_id' FROM gifts t ORDER BY id",
    "invoice_drafts": "SELECT to_jsonb(t) - 'run_id' FROM invoice_drafts t ORDER BY id",
    "invoices": "SELECT to_jsonb(t) FROM invoices t ORDER BY id",
    "invoice_lines": "SELECT to_jsonb(t) FROM invoice_lines t ORDER BY invoice_id, position",
    "invoice_taxes": "SELECT to_jsonb(t) FROM invoice_taxes t ORDER BY invoice_id, position",
    "credit_notes": "SELECT to_jsonb(t) FROM credit_notes t ORDER BY id",
    "corrections": "SELECT to_jsonb(t) - 'id' FROM corrections t"
    " ORDER BY document_id, document_position, line_position",
    # A link to a bank is not kept anywhere, and who may ask the gateway is another process.
    "payment_attempts": "SELECT to_jsonb(t) - 'action_url' - 'sender' FROM payment_attempts t ORDER BY id",
    "disputes": "SELECT to_jsonb(t) FROM disputes t ORDER BY id",
    "refunds": "SELECT to_jsonb(t) FROM refunds t ORDER BY id",
    "number_series": "SELECT to_jsonb(t) FROM number_series t ORDER BY name",
    "service_spans": "SELECT to_jsonb(t) FROM service_spans t ORDER BY subscription_id, starts_at",
    "timeline_entries": "SELECT to_jsonb(t) - 'id' FROM timeline_entries t ORDER BY subject_id, step, position",
    "credit_balances": "SELECT to_jsonb(t) FROM credit_balances t ORDER BY customer_id, currency",
    "ledger": "SELECT jsonb_build_array(t.key, e.account, e.currency, e.amount) FROM ledger_entries e"
    " JOIN ledger_transactions t ON t.id = e.transaction_id ORDER BY t.key, e.account, e.amount",
    "messages": "SELECT jsonb_build_array(key, kind, payload - 'action_url', occurred_at)"
    " FROM outbox_messages ORDER BY key",
}


@dataclass(frozen=True)
class Two:
    """The database that is lost, and where its backup will be restored; both with the same Temporal and task queue."""

    lost: str
    restored: str
    stack: Stack
    queue: str
    folder: Path

    @asynccontextmanager
    async def engine(self, url: str) -> AsyncIterator[Engine]:
        settings = self.stack.settings().model_copy(update={"database_url": url, "task_queue": self.queue})
        engine = await open_engine(settings, lazy=False)
        try:
            yield engine
        finally:
            engine.close()


@pytest.fixture
def two(stack: Stack, tmp_path: Path) -> Iterator[Two]:
    with new_database(stack.database_url) as lost, new_database(stack.database_url) as restored:
        upgrade(lost)
        yield Two(lost, restored, stack, f"restore-{uuid4().hex[:8]}", tmp_path)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    name = f"restore_{uuid4().hex}"
    admin = create_engine(make_url(server).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    admin.dispose()


def rows(db: Database, query: str) -> list[Any]:
    with db.connect() as connection:
        return [value for (value,) in connection.execute(text(query))]


def restore_old(two: Two) -> datetime:
    """The backup into the other database. The simulator is the outside world: it stands as it stood at the end."""
    backup = manifest.find(two.folder)
    restore(backup, two.restored)
    world = two.folder / "simulator.dump"
    run("pg_dump", two.lost, ["--format=custom", "--schema=simulator", f"--file={world}"])
    engine = create_engine(two.restored)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA simulator CASCADE"))
    engine.dispose()
    run("pg_restore", two.restored, [f"--dbname={make_url(two.restored).database}", "--no-owner", str(world)])
    return backup.manifest.taken_at


async def prepare(engine: Engine) -> Stage:
    prepare_gateway(engine.gateway)
    await demo_catalog.seed(engine)
    return Stage(engine)


async def failing(engine: Engine) -> dict[str, Any]:
    results = await run_checks(engine, OF_THIS_DATABASE)
    return {result.name: result.findings for result in results if not result.ok}


async def live_until_the_backup(stage: Stage) -> dict[str, str]:
    """A bit of everything, on one clock; ids by what they stand for."""
    clock = await stage.clock("2026-01-31 10:00")
    named = {
        "clock": clock,
        "steady": await stage.subscribe(clock),
        "recovers": await stage.subscribe(clock, card="pm_card_declines_charges_2_to_3"),
        "dies": await stage.subscribe(clock, card="pm_card_dies_after_2"),
        "upgrades": await stage.subscribe(clock),
        "downgrades": await stage.subscribe(clock, "team-monthly", quantity=5),
        "leaves": await stage.subscribe(clock),
        "waits_for_a_refund": await stage.subscribe(clock, card="pm_card_refund_pending_0"),
        "waits_in_vain": await stage.subscribe(clock, card="pm_card_refund_pending_fails_0"),
        "disputed": await stage.subscribe(clock),
        "asked": await stage.subscribe(clock, card="pm_card_authenticationRequired"),
    }
    await authenticate(stage, named["asked"])
    giver = await stage.customer()
    named |= {name: await buy_gift(stage, clock, giver) for name in ("given", "taken_back")}
    named["sent"] = await one_off_invoice(stage, clock, await stage.customer(), collect=CollectBy.SEND, net_days=45)
    grant = NewGrant(customer_id=stage.owners[named["steady"]], currency="USD", amount=1_500, reason="Sorry")
    await credits.grant(stage.engine, grant)
    await stage.advance(clock, "2026-02-10 10:00")
    return named


async def live_on(stage: Stage, named: dict[str, str]) -> None:
    """Ten weeks that the backup knows nothing of."""
    await stage.send(named["upgrades"], "change_plan", plan="standard-monthly")
    await stage.send(named["downgrades"], "change_quantity", quantity=2)
    for name in ("leaves", "waits_for_a_refund", "waits_in_vain"):
        await stage.send(named[name], "cancel", when=When.NOW, refund=RefundPolicy.PRORATED)
    assert await refunds.look_up_all(stage.engine) == 2
    [(code,)] = await stage.rows("SELECT claim_code FROM gifts WHERE id = :id", id=named["given"])
    _, named["gifted"] = await gifts.claim(stage.engine, code, await stage.customer(None))
    await gifts.cancel(stage.engine, named["taken_back"])
    await stage.advance(named["clock"], "2026-03-20 10:00")
    await bank(stage, named["disputed"], DisputeStatus.OPEN, "paused")
    await stage.send(named["steady"], "change_quantity", quantity=2)
    await stage.advance(named["clock"], "2026-04-02 10:00")
    await bank(stage, named["disputed"], DisputeStatus.WON, "active")
    await stage.advance(named["clock"], "2026-04-20 10:00")


async def contest(stage: Stage, gift: str) -> None:
    """The bank takes the money of a gift back. The webhook is lost with the database: nobody has sent it yet."""
    [(payment,)] = await stage.rows(
        "SELECT a.id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE i.gift_id = :id", id=gift
    )
    await disputes.simulate(stage.engine, payment, DisputeStatus.OPEN)


def contested(books: Witness) -> int:
    return sum(capture.disputed for capture in books.captures)


async def test_what_was_lost_is_written_again_as_it_was(two: Two) -> None:
    async with two.engine(two.lost) as engine:
        stage = await prepare(engine)
        async with build_worker(engine):
            named = await live_until_the_backup(stage)
            backup = await asyncio.to_thread(take, two.lost, two.folder)
            await live_on(stage, named)
        before = {name: rows(engine.db, query) for name, query in SAME.items()}
        assert await failing(engine) == {}
        charged = witness(engine.db)
    assert backup.manifest.tables["public.invoices"].rows < len(before["invoices"]) - 10
    assert {attempt["status"] for attempt in before["payment_attempts"]} >= {"succeeded", "declined", "canceled"}
    assert before["credit_notes"]
    assert sorted(refund["status"] for refund in before["refunds"]) == ["failed", "succeeded", "succeeded", "succeeded"]
    assert [dispute["status"] for dispute in before["disputes"]] == ["won"]

    since = restore_old(two)
    async with two.engine(two.restored) as engine:
        assert await failing(engine) != {}
        done = await recover(engine, since, writers)

        assert (done.stopped, done.unknown, done.payment_methods, done.lost_disputes) == ((), {}, (), ())
        assert done.disputes == 1
        for name, query in SAME.items():
            assert rows(engine.db, query) == before[name], name
        assert await failing(engine) == {}
        assert witness(engine.db) == charged
        assert rows(engine.db, "SELECT count(*) FROM outbox_messages WHERE delivered_at IS NULL") == [0]
        # Once more changes nothing.
        again = await recover(engine, since, writers)
        assert (again.told, again.stopped, again.disputes) == (done.told, (), 0)
        for name, query in SAME.items():
            assert rows(engine.db, query) == before[name], name

        # And life goes on, from where the workflows stand.
        stage = Stage(engine)
        async with build_worker(engine):
            await stage.advance(named["clock"], "2026-06-20 10:00")
            for name in ("recovers", "dies", "upgrades", "asked", "gifted"):
                await stage.once_each(named[name])
        assert await failing(engine) == {}
        assert witness(engine.db).duplicates == ()
        assert len(witness(engine.db).captures) > len(charged.captures)


async def test_what_no_history_holds_is_named_and_nothing_false_is_written(two: Two) -> None:
    """A customer, a card and usage came past the workflows: only the archive of the database's log has them."""
    async with two.engine(two.lost) as engine:
        stage = await prepare(engine)
        async with build_worker(engine):
            clock = await stage.clock("2026-01-31 10:00")
            steady = await stage.subscribe(clock)
            used = await stage.subscribe(clock, "api-monthly")
            given = await buy_gift(stage, clock, await stage.customer())
            await stage.advance(clock, "2026-02-10 10:00")

            await asyncio.to_thread(take, two.lost, two.folder)

            newcomer = await stage.subscribe(clock)
            await contest(stage, given)
            await stage.use(used, "api_call", at("2026-02-10 09:00"), 50_000)
            await stage.advance(clock, "2026-04-05 10:00")
        metered = (await stage.bills(used))[1].amount_due
        charged = witness(engine.db)

    since = restore_old(two)
    async with two.engine(two.restored) as engine:
        done = await recover(engine, since, writers)

        assert not done.is_whole
        assert done.customers == (stage.owners[newcomer],)
        assert len(done.payment_methods) == 1
        [stopped] = done.stopped
        assert (stopped.subject, stopped.activity) == (used, "bill")
        assert f"came to {metered} ({metered} due) USD minor units" in stopped.reason
        # Of a gift's dispute no history knows: the gateway does.
        assert rows(engine.db, "SELECT status || ' ' || amount FROM disputes") == [f"open {contested(charged)}"]
        # What could be written is right; the rest is found by the checks, for it was charged.
        assert await failing(engine) == {} or "gateway_agrees" in await failing(engine)
        assert witness(engine.db) == charged
        stage = Stage(engine)
        for subscription in (steady, newcomer):
            await stage.once_each(subscription)
        # The card is gone: at the next renewal its customer is asked for another one, and nobody is charged by guess.
        async with build_worker(engine):
            await stage.advance(clock, "2026-04-11 10:00")
        [owed] = await stage.rows(
            "SELECT a.decline_code, i.status FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id"
            " WHERE i.subscription_id = :id ORDER BY a.started_at DESC LIMIT 1",
            id=newcomer,
        )
        assert owed == ("no_payment_method", "open")
        assert witness(engine.db).duplicates == ()


async def test_while_a_worker_is_connected_nothing_is_written(two: Two) -> None:
    async with two.engine(two.lost) as engine, two.engine(two.lost) as busy:
        with busy.db.connect(), pytest.raises(DatabaseInUse, match="stop them until the recovery is done"):
            await recover(engine, datetime.now(UTC), writers)
