"""Whatever is sent, the database counts what the rule says; and whoever sends while it is billed, it is billed once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.engine import make_engine
from perennial.db.models import Customer, Subscription
from perennial.db.models import Meter as MeterRow
from perennial.db.repositories import usage
from perennial.db.tables import table_of
from perennial.domain.calendar import Period
from perennial.domain.catalog import UsageCharge
from perennial.domain.pricing import PerUnit
from perennial.domain.subscription.effects import Line
from perennial.domain.subscription.state import UsageStretch
from perennial.domain.usage import Aggregation, Comparison, Event, Filter, Meter, aggregate
from perennial.engine import usage as ingestion
from perennial.engine.usage import NewEvent
from tests.support.databases import own_database

START = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = cast("Any", SimpleNamespace(clock=lambda: START + timedelta(days=1)))
"""All that the rows ask of an engine."""


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        url = engine.url.render_as_string(hide_password=False)
        upgrade(url)
        crowd = make_engine(url, pool_size=12)
        yield crowd
        crowd.dispose()


def meter_row(session: Session, meter: Meter) -> Meter:
    """Under a code of its own."""
    meter = replace(meter, code=f"m{uuid4().hex}")
    filters = [
        {"property": each.property, "comparison": each.comparison.value, "values": list(each.values)}
        for each in meter.filters
    ]
    session.add(
        MeterRow(
            code=meter.code,
            name=meter.name,
            event=meter.event,
            aggregation=meter.aggregation.value,
            property=meter.property,
            filters=filters,
            created_at=START,
        )
    )
    session.flush()
    return meter


def subscription(session: Session) -> tuple[str, str]:
    """A customer with a subscription: what ingestion looks at."""
    customer, held = f"cus_{uuid4().hex[:20]}", f"sub_{uuid4().hex[:20]}"
    session.add(Customer(id=customer, name="Ada", email="ada@example.com", created_at=START))
    session.flush()
    blank = dict.fromkeys(("plan_code", "currency", "timezone", "status"), "x")
    counts = dict.fromkeys(("plan_version", "quantity", "dunning_attempt", "step"), 1)
    times = dict.fromkeys(("period_start", "period_end", "created_at"), START)
    row = {"id": held, "customer_id": customer, "state": {}} | blank | counts | times
    session.execute(insert(table_of(Subscription)).values(**row))
    return customer, held


# --- the database counts as the rule says ----------------------------------------------------------------------------

VALUES = st.sampled_from(["0", "1", "2.5", "-3", "10", "007", "1e3", "x", "", "NaN", "eu", "us", "0.000000000001", "٣"])
PROPERTIES = st.dictionaries(st.sampled_from(["value", "region"]), VALUES)
NAMES = st.sampled_from(["call", "store"])
EVENTS = st.lists(st.tuples(NAMES, st.integers(-2, 12), PROPERTIES), max_size=12)
NUMBERS = st.sampled_from(["0", "2.5", "-3", "10.0"])


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    comparison = draw(st.sampled_from(list(Comparison)))
    values = NUMBERS if comparison.needs_number else VALUES
    count = {Comparison.EXISTS: 0, Comparison.IN: 2}.get(comparison, 1)
    name = draw(st.sampled_from(["value", "region"]))
    return Filter(name, comparison, tuple(draw(values) for _ in range(count)))


@st.composite
def meters(draw: st.DrawFn) -> Meter:
    aggregation = draw(st.sampled_from(list(Aggregation)))
    looks_at = None if aggregation is Aggregation.COUNT else draw(st.sampled_from(["value", "region"]))
    return Meter("m", "M", draw(NAMES), aggregation, looks_at, tuple(draw(st.lists(filters(), max_size=2))))


@given(events=EVENTS, measured=st.lists(meters(), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_counts_as_the_rule_says(
    database: Engine, events: list[tuple[str, int, dict[str, str]]], measured: list[Meter]
) -> None:
    """Times from before the stretch to after it, among them its first instant and its end."""
    period = Period(START, START + timedelta(minutes=10))
    with Session(database) as session:
        customer, held = subscription(session)
        # Sent before there were meters: nothing has refused what is no number.
        sent = [
            Event(uuid4().hex, name, START + timedelta(minutes=minute), properties)
            for name, minute, properties in events
        ]
        if sent:
            new = [NewEvent(id=e.id, customer_id=customer, name=e.name, at=e.at, properties=e.properties) for e in sent]
            ingestion._insert(CLOCK, session, new)
        rows = [meter_row(session, meter) for meter in measured]
        found = usage.measure(session, held, [(row.code, period) for row in rows])
        within = [each for each in sent if period.start <= each.at < period.end]
        assert found == [aggregate(meter, within) for meter in measured]
        session.rollback()


# --- it is billed once, whoever is in a hurry ------------------------------------------------------------------------

STRETCHES = 6
WRITERS, BATCHES, SIZE = 4, 12, 8


class Billing:
    """A subscription that is billed stretch by stretch, at one unit of money for each unit of its sum."""

    def __init__(self, database: Engine) -> None:
        self.database = database
        with Session(database) as session, session.begin():
            self.customer, self.subscription = subscription(session)
            self.meter = meter_row(session, Meter("m", "M", "call", Aggregation.SUM, "value"))
        self.charge = UsageCharge("calls", "Calls", self.meter.code, PerUnit(Decimal(1)))
        self.lines: list[Line] = []

    def stretch(self, n: int) -> UsageStretch:
        begin = START + timedelta(hours=n)
        return UsageStretch(n, begin, begin + timedelta(hours=1), (self.charge,))

    def send(self, events: list[tuple[str, int, int]]) -> int:
        """(id, minute, value); answers how many were new."""
        with Session(self.database) as session, session.begin():
            return self.insert(session, events)

    def insert(self, session: Session, events: list[tuple[str, int, int]]) -> int:
        new = [
            NewEvent(
                id=f"{self.subscription}:{name}",
                customer_id=self.customer,
                name="call",
                at=START + timedelta(minutes=minute),
                properties={"value": value},
            )
            for name, minute, value in events
        ]
        return ingestion._insert(CLOCK, session, new).accepted

    def bill(self, *numbers: int) -> list[Line]:
        with Session(self.database) as session, session.begin():
            return self.write_bill(session, *numbers)

    def write_bill(self, session: Session, *numbers: int) -> list[Line]:
        due = [self.stretch(n) for n in numbers]
        invoice = f"inv_{self.subscription}"
        lines = usage.bill(session, self.subscription, due, "JPY", tax_inclusive=False, invoice_id=invoice)
        self.lines += lines
        return lines

    def rated(self, *numbers: int) -> list[Line]:
        with Session(self.database) as session:
            due = [self.stretch(n) for n in numbers]
            return usage.rated(session, self.subscription, due, "JPY", tax_inclusive=False)

    @property
    def billed(self) -> int:
        return sum(line.amount for line in self.lines)


def test_who_sends_while_it_is_billed_is_billed_once(database: Engine) -> None:
    billing = Billing(database)
    chance = Random(7)
    batches = [
        [(f"{batch}.{n}", chance.randrange(60 * STRETCHES), chance.randrange(1, 10**6)) for n in range(SIZE)]
        for batch in range(WRITERS * BATCHES)
    ]
    sent = sum(value for batch in batches for _, _, value in batch)
    begin = threading.Barrier(WRITERS + 1)

    def write(writer: int) -> int:
        begin.wait()
        new = 0
        for batch in batches[writer::WRITERS]:
            new += billing.send(batch)
            # Again, the other way round: by this sender or by one who took the answer for lost.
            new += billing.send(batch[::-1])
        return new

    def bill() -> None:
        begin.wait()
        for n in range(STRETCHES):
            billing.bill(n)

    with ThreadPoolExecutor(WRITERS + 1) as crowd:
        written = [crowd.submit(write, writer) for writer in range(WRITERS)]
        crowd.submit(bill).result()
        assert sum(each.result() for each in written) == WRITERS * BATCHES * SIZE
    seen = billing.rated()
    assert billing.bill() == seen
    assert billing.billed == sent
    assert billing.bill() == []
    with database.connect() as connection:
        told = connection.execute(
            text("SELECT sum(amount), sum(quantity) FROM usage_billed WHERE subscription_id = :id"),
            {"id": billing.subscription},
        ).one()
    assert tuple(told) == (sent, sent)


def wait_for_lock(database: Engine, many: int = 1) -> None:
    """Until so many wait for what somebody else holds."""
    asked = text(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted "
        "AND a.datname = current_database()"
    )
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(3000):
            if connection.scalar(asked) == many:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_a_bill_waits_for_events_that_are_being_written(database: Engine) -> None:
    billing = Billing(database)
    billing.send([("first", 1, 1)])
    with ThreadPoolExecutor(1) as other, Session(database) as session:
        with session.begin():
            billing.insert(session, [("second", 2, 10)])
            bill = other.submit(billing.bill, 0)
            wait_for_lock(database)
        assert [line.amount for line in bill.result()] == [11]
    assert billing.bill() == []


def test_events_that_wait_for_a_bill_are_late(database: Engine) -> None:
    billing = Billing(database)
    billing.send([("first", 1, 1)])
    with ThreadPoolExecutor(1) as other, Session(database) as session:
        with session.begin():
            billing.write_bill(session, 0)
            sent = other.submit(billing.send, [("second", 2, 10), ("third", 61, 100)])
            wait_for_lock(database)
        assert sent.result() == 2
    assert [line.amount for line in billing.bill()] == [10]
    assert [line.amount for line in billing.bill(1)] == [100]


def test_two_batches_with_the_same_events_do_not_wait_for_each_other_for_ever(database: Engine) -> None:
    billing = Billing(database)
    billing.send([("first", 1, 0)])
    events = [(f"{n:02}", 1, 1) for n in range(20)]
    with ThreadPoolExecutor(2) as crowd, Session(database) as session:
        # Both wait for one in the middle of them; then the first to go on would meet what the other one holds.
        billing.insert(session, [events[10]])
        sent = [crowd.submit(billing.send, order) for order in (events, events[::-1])]
        wait_for_lock(database, 2)
        session.rollback()
        assert sorted(each.result() for each in sent) == [0, 20]
    [line] = billing.bill(0)
    assert line.quantity == 20


def test_a_bill_that_came_to_nothing_and_is_tried_again_bills_nothing_twice(database: Engine) -> None:
    billing = Billing(database)
    assert billing.bill(0) == []
    billing.send([("late", 5, 7)])
    assert [line.amount for line in billing.bill(0)] == [7]
    assert billing.bill(0) == []


@given(st.lists(st.tuples(st.integers(0, 3 * 60 - 1), st.integers(-50, 100)), max_size=10), st.integers(0, 10))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_late_or_not_what_rises_is_billed_the_same(
    database: Engine, events: list[tuple[int, int]], on_time: int
) -> None:
    """Each stretch comes to the highest that was ever billed of it; without corrections that is just its sum."""
    billing = Billing(database)
    numbered = [(str(n), minute, value) for n, (minute, value) in enumerate(events)]
    if numbered[:on_time]:
        billing.send(numbered[:on_time])
    seen = billing.rated(0, 1, 2)
    assert billing.bill(0, 1, 2) == seen
    for each in numbered[on_time:]:
        billing.send([each])
        seen = billing.rated()
        assert billing.bill() == seen

    expected = 0
    for n in range(3):
        own = [(i, value) for i, (_, minute, value) in enumerate(numbered) if minute // 60 == n]
        levels = [
            sum(value for i, value in own if i < many) for many in range(min(on_time, len(events)), len(events) + 1)
        ]
        expected += max(0, *levels)
    assert billing.billed == expected
