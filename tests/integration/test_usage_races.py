"""Events that come while the bill is written: each is on exactly one invoice, none on two, none on none."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from perennial.db.engine import unit_of_work
from perennial.db.repositories import usage as billing
from perennial.domain.calendar import Interval, IntervalUnit, Period
from perennial.domain.catalog import UsageCharge
from perennial.domain.pricing import pricing_model
from perennial.domain.subscription.effects import Line
from perennial.domain.subscription.state import UsageStretch
from perennial.domain.usage import Aggregation, Meter
from perennial.engine import meters, usage
from perennial.engine.context import Engine
from perennial.engine.usage import Ingested, NewEvent
from tests.support.stage import Stage, at, eventually

CALLS = Meter("race-calls", "Calls", "race.call", Aggregation.COUNT)
CHARGE = UsageCharge("calls", "Calls", CALLS.code, pricing_model({"type": "per_unit", "unit_price": "0.10"}))
BEGIN, DAYS, A_DAY = at("2026-02-01 00:00"), 48, timedelta(days=1)
BATCHES = 60


@dataclass
class Account:
    """A subscription whose clock stands still, so that this test alone bills it."""

    engine: Engine
    subscription: str
    customer: str
    lines: list[Line] = field(default_factory=list)

    async def send(self, moments: Sequence[datetime]) -> Ingested:
        return await usage.ingest(self.engine, [self.event(moment) for moment in moments])

    def event(self, moment: datetime) -> NewEvent:
        return NewEvent(id=uuid4().hex, customer_id=self.customer, name=CALLS.event, at=moment)

    def bill(self, *due: UsageStretch) -> list[Line]:
        with unit_of_work(self.engine.sessions) as session:
            lines = billing.bill(
                session, self.subscription, due, "USD", tax_inclusive=False, invoice_id=f"inv_{uuid4().hex}"
            )
        self.lines += lines
        return lines

    def billed(self) -> dict[datetime, tuple[int, int]]:
        query = "SELECT starts_at, quantity, amount FROM usage_billed WHERE subscription_id = :id"
        with self.engine.db.connect() as connection:
            rows = connection.execute(text(query), {"id": self.subscription})
            return {row.starts_at: (int(row.quantity), row.amount) for row in rows}


def stretch(day: int) -> UsageStretch:
    start = BEGIN + day * A_DAY
    return UsageStretch(day, start, start + A_DAY, (CHARGE,))


@pytest.fixture
async def account(engine: Engine) -> Account:
    """An open account, in a year that is long enough that nothing renews."""
    stage = Stage(engine)
    await meters.create(engine, CALLS)
    clock = await stage.clock(BEGIN)
    prices = {"USD": {"type": "flat", "amount": "10.00"}}
    plan = await stage.plan("race", interval=Interval(IntervalUnit.YEAR), prices=prices)
    sub = await stage.subscribe(clock, plan)
    await stage.advance(clock, BEGIN + DAYS * A_DAY)
    return Account(engine, sub, stage.owners[sub])


async def test_whoever_sends_while_the_bill_is_written_finds_everything_billed_once(account: Account) -> None:
    """Each batch has an event for every day, and the days are billed meanwhile; what came late follows."""

    async def send(offset: int) -> Ingested:
        return await account.send([BEGIN + day * A_DAY + timedelta(seconds=offset) for day in range(DAYS)])

    async def bill() -> None:
        for day in range(DAYS):
            await asyncio.to_thread(account.bill, stretch(day))

    *told, _ = await asyncio.gather(*(send(n) for n in range(BATCHES)), bill())
    assert sum(each.accepted for each in told if each) == BATCHES * DAYS
    await account.send([BEGIN])
    account.bill()
    # One of them is late however the race goes.
    expected = {stretch(day).start: BATCHES + (day == 0) for day in range(DAYS)}
    assert account.billed() == {day: (quantity, quantity * 10) for day, quantity in expected.items()}
    assert sum(line.quantity for line in account.lines) == sum(expected.values())
    assert sum(line.amount for line in account.lines) == sum(expected.values()) * 10
    assert account.bill() == []


async def test_a_bill_waits_for_events_that_are_being_written(account: Account) -> None:
    """What is not committed yet when the bill begins is in it."""
    await account.send([BEGIN])
    done: list[list[Line]] = []
    with unit_of_work(account.engine.sessions) as session:
        billing.lock(session, [account.subscription], alone=False)
        biller = threading.Thread(target=lambda: done.append(account.bill(stretch(0))))
        biller.start()
        await eventually(lambda: _waits_for(account.engine, "usage_windows"))
        session.execute(
            text(
                "INSERT INTO usage_events (id, customer_id, subscription_id, name, at, properties, received_at, late) "
                "VALUES (:id, :customer, :subscription, :name, :at, '{}', now(), false)"
            ),
            {"id": uuid4().hex, "customer": account.customer, "subscription": account.subscription}
            | {"name": CALLS.event, "at": BEGIN},
        )
    await asyncio.to_thread(biller.join)
    assert [[(line.quantity, line.amount) for line in lines] for lines in done] == [[(Decimal(2), 20)]]


async def test_events_that_come_while_the_bill_is_being_written_are_late(account: Account) -> None:
    """They wait until it is known how far has been billed."""
    await account.send([BEGIN])
    with unit_of_work(account.engine.sessions) as session:
        due = [stretch(0)]
        billing.bill(session, account.subscription, due, "USD", tax_inclusive=False, invoice_id="inv_1")
        sent = asyncio.create_task(account.send([BEGIN, BEGIN + A_DAY]))
        await eventually(lambda: _waits_for(account.engine, "usage_windows"))
    assert (await sent).accepted == 2
    [late] = account.bill()
    assert (late.quantity, late.amount, late.period) == (Decimal(1), 10, Period(BEGIN, BEGIN + A_DAY))


async def test_the_same_batch_from_many_senders_counts_once(account: Account) -> None:
    """Some of them have it in another order."""
    batch = [account.event(BEGIN) for _ in range(50)]
    told = await asyncio.gather(*(usage.ingest(account.engine, batch[:: 1 if n % 2 else -1]) for n in range(8)))
    assert (sum(each.accepted for each in told), sum(each.duplicates for each in told)) == (50, 350)
    [line] = account.bill(stretch(0))
    assert line.quantity == 50


async def _waits_for(engine: Engine, table: str) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE :query"

    def look() -> bool:
        with engine.db.connect() as connection:
            return bool(connection.scalar(text(query), {"query": f"%{table}%"}))

    return await asyncio.to_thread(look)
