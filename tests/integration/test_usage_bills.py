"""What is billed of what was sent, whenever it came: once, tried again, waited for, corrected."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.models import Customer, Meter, Subscription
from perennial.db.repositories import usage
from perennial.db.tables import table_of
from perennial.domain.catalog import UsageCharge
from perennial.domain.pricing import PerUnit
from perennial.domain.subscription.effects import Line
from perennial.domain.subscription.state import UsageStretch
from perennial.engine import usage as ingestion
from perennial.engine.usage import NewEvent
from tests.support.databases import own_database

START = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = cast("Any", SimpleNamespace(clock=lambda: START + timedelta(days=1)))
"""All that the rows ask of an engine."""


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        upgrade(engine.url.render_as_string(hide_password=False))
        with engine.begin() as connection:
            meter = {"code": "m", "name": "M", "event": "call", "aggregation": "sum", "property": "value"}
            connection.execute(insert(table_of(Meter)).values(**meter, created_at=START))
        yield engine


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


class Billing:
    """A subscription that is billed stretch by stretch, at one unit of money for each unit of its sum."""

    def __init__(self, database: Engine) -> None:
        self.database = database
        with Session(database) as session, session.begin():
            self.customer, self.subscription = subscription(session)
        self.charge = UsageCharge("calls", "Calls", "m", PerUnit(Decimal(1)))
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
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_what_comes_late_holds_the_tax_as_its_stretch_did(database: Engine) -> None:
    """Whatever the terms of today say."""
    billing = Billing(database)
    with Session(database) as session, session.begin():
        due = [replace(billing.stretch(0), tax_inclusive=True), billing.stretch(1)]
        usage.bill(session, billing.subscription, due, "JPY", tax_inclusive=False, invoice_id="inv_taxes")
    billing.send([("first", 5, 10), ("second", 65, 20)])
    assert [(line.amount, line.tax_inclusive) for line in billing.rated()] == [(10, True), (20, False)]
