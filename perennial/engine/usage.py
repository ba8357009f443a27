"""Usage from outside: events by the thousand, and what they have come to so far. Rows, never messages to a workflow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from perennial.db.models import Customer, Meter, Subscription, TestClock
from perennial.db.repositories import usage
from perennial.db.repositories.usage import Late, Rated
from perennial.domain import usage as core
from perennial.domain.errors import ClockAdvancing, InvalidInput
from perennial.domain.subscription.usage import close_usage
from perennial.domain.usage import Event, WrongEvents
from perennial.engine import states, subscriptions
from perennial.engine.context import Engine

# A sender's clock may run a little ahead of ours.
TOLERANCE = timedelta(minutes=5)
MOST_EVENTS = 1000
# Enough to see what went wrong with a batch; the rest is likely wrong in the same way.
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """`id` is the sender's: the same id again is the same event. `subscription_id` None: the customer's only live one.

    `at` UTC; `properties` texts, whole numbers and booleans.
    """

    id: str
    customer_id: str
    name: str
    at: datetime
    subscription_id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ingested:
    """How many events were new, how many had come before, and how many belong to no subscription (kept, not billed)."""

    accepted: int
    duplicates: int
    unattributed: int


@dataclass(frozen=True, slots=True)
class RunningUsage:
    """What the next invoice would bill as of now: by charge, and what came late for earlier stretches.

    Amounts in minor units, without discounts and tax.
    """

    subscription_id: str
    currency: str
    as_of: datetime
    charges: tuple[Rated, ...]
    late: tuple[Late, ...]


@dataclass(frozen=True, slots=True)
class _Owned:
    """A subscription of a customer: whether it lives, and its test clock, if any."""

    lives: bool
    clock: str | None
    now: datetime | None
    moving: bool


_Owners = dict[str, dict[str, _Owned]]

# One statement however many events: the rows travel as arrays. `late` is decided here, under the lock of the windows;
# in the order of ids, so that two batches with the same events wait for each other instead of both for ever.
_INSERT = text(
    """
INSERT INTO usage_events (id, customer_id, subscription_id, name, at, properties, received_at, late)
SELECT e.id, e.customer_id, e.subscription_id, e.name, e.at, e.properties, now(), coalesce(e.at < w.billed_until, false)
FROM unnest(CAST(:ids AS text[]), CAST(:customers AS text[]), CAST(:subscriptions AS text[]), CAST(:names AS text[]),
            CAST(:times AS timestamptz[]), CAST(:properties AS jsonb[]))
     AS e (id, customer_id, subscription_id, name, at, properties)
LEFT JOIN usage_windows w ON w.subscription_id = e.subscription_id
ORDER BY e.id
ON CONFLICT (id) DO NOTHING
"""
)
_OWNERS = (
    select(
        Customer.id.label("customer"),
        Subscription.id,
        Subscription.ended_at,
        Subscription.test_clock_id,
        TestClock.now,
        TestClock.status,
    )
    .outerjoin(Subscription, Subscription.customer_id == Customer.id)
    .outerjoin(TestClock, TestClock.id == Subscription.test_clock_id)
    .where(Customer.id.in_(bindparam("customers", expanding=True)))
)


async def ingest(engine: Engine, events: Sequence[NewEvent]) -> Ingested:
    """All of them or none. An event id that has been seen changes nothing.

    Raises:
        InvalidInput: no event, or more than a thousand.
        WrongEvents: naming each event and what is wrong with it: a time in the future, an unknown customer or
            subscription, several subscriptions to choose from, no number where a meter needs one.
        ClockAdvancing: the test clock of one of them is moving.
        EngineUnavailable: nothing has been written.
    """
    if not 1 <= len(events) <= MOST_EVENTS:
        message = f"must be 1 to {MOST_EVENTS} events"
        raise InvalidInput(message, field="events")
    _refuse([_form(event) for event in events])
    return await engine.write(lambda session: _insert(engine, session, events))


async def summary(engine: Engine, subscription_id: str) -> RunningUsage:
    """What the next invoice would bill as of now: the machine's clock, or where the test clock stands.

    Raises NotFound.
    """

    def load(session: Session) -> RunningUsage:
        row = subscriptions.require(session, subscription_id)
        state = states.current(session, row)
        clock = session.get_one(TestClock, row.test_clock_id) if row.test_clock_id else None
        now = clock.now if clock else engine.clock()
        # Half-open: what happens at this very instant has happened.
        due = close_usage(state, now + timedelta(microseconds=1)).usage_due
        found = usage.stretches(session, subscription_id, due, state.currency)
        late = usage.late(session, subscription_id, state.currency)
        return RunningUsage(subscription_id, state.currency, now, tuple(found), tuple(late))

    return await engine.read(load)


# --- what is wrong with them -----------------------------------------------------------------------------------------


_Wrong = tuple[str, str] | None
"""The field, and what is wrong with it."""


def _refuse(found: Sequence[_Wrong]) -> None:
    wrong = [(f"events[{n}].{each[0]}", each[1]) for n, each in enumerate(found) if each]
    if wrong:
        raise WrongEvents(wrong[:_MOST_TOLD])


def _form(event: NewEvent) -> _Wrong:
    if message := core.wrong_id(event.id):
        return "id", message
    if event.at.tzinfo is None:
        return "at", "needs a time zone"
    if found := core.wrong_properties(event.properties):
        name, message = found
        return f"properties.{name}" if name else "properties", message
    return None


def _owner(event: NewEvent, owners: _Owners) -> tuple[str | None, _Wrong]:
    """Whose it is: the subscription that it names, or the only live one of the customer."""
    held = owners.get(event.customer_id)
    if held is None:
        return None, ("customer_id", f"there is no customer {event.customer_id!r}")
    if event.subscription_id is not None:
        if event.subscription_id not in held:
            return None, ("subscription_id", f"the customer has no subscription {event.subscription_id!r}")
        return event.subscription_id, None
    live = [each for each, owned in held.items() if owned.lives]
    if len(live) > 1:
        return None, ("subscription_id", "the customer has several subscriptions: name one")
    return (live[0] if live else None), None


def _time(event: NewEvent, owned: _Owned | None, now: datetime) -> _Wrong:
    latest = now + TOLERANCE
    if owned and owned.clock and owned.now:
        if owned.moving:
            raise ClockAdvancing(owned.clock)
        latest = owned.now
    return ("at", f"lies in the future: it is {latest.isoformat()}") if event.at > latest else None


def _number(event: NewEvent, properties: dict[str, str], meters: Sequence[core.Meter]) -> _Wrong:
    """An event without the number that a meter needs would be missing from a bill later: it is refused now."""
    for meter in meters:
        name = core.wrong_property(meter, Event(event.id, event.name, event.at, properties))
        if name:
            return f"properties.{name}", f"must be a decimal number: meter {meter.code!r} counts it"
    return None


# --- rows ------------------------------------------------------------------------------------------------------------


def _insert(engine: Engine, session: Session, events: Sequence[NewEvent]) -> Ingested:
    now = engine.clock()
    held, meters = _owners(session, events), _meters(session, events)
    owners, wrong, written = [], [], []
    for event in events:
        properties = core.texts(event.properties)
        owner, problem = _owner(event, held)
        owned = held[event.customer_id][owner] if owner else None
        wrong.append(problem or _time(event, owned, now) or _number(event, properties, meters.get(event.name, ())))
        owners.append(owner)
        written.append(json.dumps(properties))
    _refuse(wrong)
    usage.lock(session, [owner for owner in owners if owner], alone=False)
    inserted = session.execute(
        _INSERT,
        {
            "ids": [event.id for event in events],
            "customers": [event.customer_id for event in events],
            "subscriptions": owners,
            "names": [event.name for event in events],
            "times": [event.at for event in events],
            "properties": written,
        },
    )
    accepted: int = inserted.rowcount  # type: ignore[attr-defined]  # of an INSERT
    return Ingested(accepted, len(events) - accepted, owners.count(None))


def _owners(session: Session, events: Sequence[NewEvent]) -> _Owners:
    """The customers with their subscriptions, in one look whatever the number of events."""
    found: _Owners = {}
    for row in session.execute(_OWNERS, {"customers": sorted({event.customer_id for event in events})}):
        held = found.setdefault(row.customer, {})
        if row.id is not None:
            held[row.id] = _Owned(row.ended_at is None, row.test_clock_id, row.now, row.status == "advancing")
    return found


def _meters(session: Session, events: Sequence[NewEvent]) -> dict[str, list[core.Meter]]:
    """Those that look at these events, by the name of the event; archived ones too, for plans that have them."""
    found: dict[str, list[core.Meter]] = {}
    for row in session.scalars(select(Meter).where(Meter.event.in_({event.name for event in events}))):
        found.setdefault(row.event, []).append(usage.meter_of(row))
    return found
