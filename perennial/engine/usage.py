"""Usage from outside: meters, and events by the thousand. Usage is rows, never messages to a workflow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Customer, Meter, Subscription, TestClock
from perennial.db.repositories import usage
from perennial.db.repositories.usage import Rated
from perennial.domain import usage as core
from perennial.domain.errors import Conflict, InvalidInput, NotFound
from perennial.domain.subscription.usage import close_usage
from perennial.domain.usage import Event
from perennial.engine import states, subscriptions
from perennial.engine.context import Engine

# A sender's clock may run a little ahead of ours.
TOLERANCE = timedelta(minutes=5)
MOST_EVENTS = 1000
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """`id` is the sender's: the same id again is the same event. `subscription_id` None: the customer's only one."""

    id: str
    customer_id: str
    name: str
    at: datetime
    subscription_id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ingested:
    """How many events were new, had come before, and belong to no subscription (kept, never billed)."""

    accepted: int
    duplicates: int
    unattributed: int


@dataclass(frozen=True, slots=True)
class RunningUsage:
    """What has been used since the last bill, by charge, and what it would cost as of now (minor units)."""

    currency: str
    start: datetime | None
    charges: tuple[Rated, ...]


# One statement however many events: the rows travel as arrays. `late` is decided here, under the lock of the windows.
_INSERT = text(
    """
INSERT INTO usage_events (id, customer_id, subscription_id, name, at, properties, received_at, late)
SELECT e.id, e.customer_id, e.subscription_id, e.name, e.at, e.properties, :received_at,
       coalesce(e.at < w.billed_until, false)
FROM unnest(CAST(:ids AS text[]), CAST(:customers AS text[]), CAST(:subscriptions AS text[]), CAST(:names AS text[]),
            CAST(:times AS timestamptz[]), CAST(:properties AS jsonb[]))
     AS e (id, customer_id, subscription_id, name, at, properties)
LEFT JOIN usage_windows w ON w.subscription_id = e.subscription_id
ON CONFLICT (id) DO NOTHING
"""
)
_OWNERS = select(Customer.id).where(Customer.id.in_(bindparam("customers", expanding=True)))
_HELD = (
    select(Subscription.id, Subscription.customer_id, Subscription.ended_at, TestClock.now)
    .outerjoin(TestClock, TestClock.id == Subscription.test_clock_id)
    .where(Subscription.customer_id.in_(bindparam("customers", expanding=True)))
)


async def create_meter(engine: Engine, terms: core.Meter) -> Meter:
    """Raises Conflict if there is another meter of that code; the same one again is the one there is."""

    def insert(session: Session) -> Meter:
        session.execute(
            upsert(Meter)
            .values(
                code=terms.code,
                name=terms.name,
                event=terms.event,
                aggregation=terms.aggregation.value,
                property=terms.property,
                filters=[
                    {"property": each.property, "comparison": each.comparison.value, "values": list(each.values)}
                    for each in terms.filters
                ],
                created_at=engine.clock(),
            )
            .on_conflict_do_nothing()
        )
        row = session.get_one(Meter, terms.code)
        if usage.meter_of(row) != terms:
            raise Conflict(terms.code, f"meter {terms.code!r} exists and counts otherwise")
        return row

    return await engine.write(insert)


async def get_meter(engine: Engine, code: str) -> Meter:
    def load(session: Session) -> Meter:
        row = session.get(Meter, code)
        if row is None:
            raise NotFound("meter", code)
        return row

    return await engine.read(load)


async def ingest(engine: Engine, events: Sequence[NewEvent]) -> Ingested:
    """All of them or none. An event id that has been seen changes nothing.

    Raises:
        InvalidInput: naming the event and what is wrong with it: a time in the future, an unknown customer or
            subscription, several subscriptions to choose from, no number where a meter needs one.
        EngineUnavailable: nothing has been written.
    """
    if not 1 <= len(events) <= MOST_EVENTS:
        message = f"must be 1 to {MOST_EVENTS} events"
        raise InvalidInput(message, field="events")
    written = [_plain(n, event) for n, event in enumerate(events)]
    return await engine.write(lambda session: _insert(engine, session, events, written))


def _plain(n: int, event: NewEvent) -> dict[str, str]:
    where = f"events[{n}]"
    if not 1 <= len(event.id) <= _LONGEST_ID:
        message = f"must have 1 to {_LONGEST_ID} characters"
        raise InvalidInput(message, field=f"{where}.id")
    if event.at.tzinfo is None:
        message = "needs a time zone"
        raise InvalidInput(message, field=f"{where}.at")
    return core.texts(event.properties, f"{where}.properties")


def _insert(
    engine: Engine, session: Session, events: Sequence[NewEvent], written: Sequence[dict[str, str]]
) -> Ingested:
    now = engine.clock()
    owners = _subscriptions(session, events, now)
    _check_numbers(session, events, written)
    usage.lock(session, [owner for owner in owners if owner], alone=False)
    inserted = session.execute(
        _INSERT,
        {
            "ids": [event.id for event in events],
            "customers": [event.customer_id for event in events],
            "subscriptions": owners,
            "names": [event.name for event in events],
            "times": [event.at for event in events],
            "properties": [json.dumps(properties) for properties in written],
            "received_at": now,
        },
    )
    accepted: int = inserted.rowcount  # type: ignore[attr-defined]  # of an INSERT
    return Ingested(accepted, len(events) - accepted, sum(owner is None for owner in owners))


def _subscriptions(session: Session, events: Sequence[NewEvent], now: datetime) -> list[str | None]:
    """Whose each event is. One look at the customers and their subscriptions, whatever the number of events."""
    asked = {"customers": sorted({event.customer_id for event in events})}
    known = set(session.scalars(_OWNERS, asked))
    held: dict[str, dict[str, tuple[bool, datetime | None]]] = {}
    for row in session.execute(_HELD, asked):
        held.setdefault(row.customer_id, {})[row.id] = (row.ended_at is None, row.now)
    return [_owner(n, event, known, held.get(event.customer_id, {}), now) for n, event in enumerate(events)]


def _owner(
    n: int,
    event: NewEvent,
    known: set[str],
    held: Mapping[str, tuple[bool, datetime | None]],
    now: datetime,
) -> str | None:
    where = f"events[{n}]"
    if event.customer_id not in known:
        message = f"there is no customer {event.customer_id!r}"
        raise InvalidInput(message, field=f"{where}.customer_id")
    owner = event.subscription_id
    if owner is None:
        live = [each for each, (lives, _) in held.items() if lives]
        if len(live) > 1:
            message = "the customer has several subscriptions: name one"
            raise InvalidInput(message, field=f"{where}.subscription_id")
        owner = live[0] if live else None
    elif owner not in held:
        message = f"the customer has no subscription {owner!r}"
        raise InvalidInput(message, field=f"{where}.subscription_id")
    clock = held[owner][1] if owner else None
    if event.at > (clock or now + TOLERANCE):
        message = "lies in the future"
        raise InvalidInput(message, field=f"{where}.at")
    return owner


def _check_numbers(session: Session, events: Sequence[NewEvent], written: Sequence[dict[str, str]]) -> None:
    """An event without the number that a meter needs would wreck the bill later: it is refused now."""
    names = {event.name for event in events}
    of: dict[str, list[core.Meter]] = {}
    for row in session.scalars(select(Meter).where(Meter.event.in_(names), Meter.archived_at.is_(None))):
        of.setdefault(row.event, []).append(usage.meter_of(row))
    for n, (event, properties) in enumerate(zip(events, written, strict=True)):
        for meter in of.get(event.name, ()):
            wrong = core.wrong_property(meter, Event(event.id, event.name, event.at, properties))
            if wrong:
                message = f"must be a decimal number: meter {meter.code!r} counts it"
                raise InvalidInput(message, field=f"events[{n}].properties.{wrong}")


async def summary(engine: Engine, subscription_id: str) -> RunningUsage:
    """What the next invoice would bill of the running stretch."""

    def load(session: Session) -> RunningUsage:
        row = subscriptions.require(session, subscription_id)
        state = states.current(session, row)
        end = subscriptions.edge_time(engine, session, row.test_clock_id) + timedelta(seconds=1)
        found = usage.stretches(session, subscription_id, close_usage(state, end).usage_due, state.currency)
        return RunningUsage(state.currency, state.usage_from, tuple(found))

    return await engine.read(load)
