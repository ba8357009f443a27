"""Usage events a second through the API, in batches of a thousand, beside what PostgreSQL alone can take in.

Both write the same rows: ours over HTTP with everything that is checked and counted on the way, the ceiling by COPY
from text that is ready into a table with the same columns and indexes. A batch is one transaction in both. The order
alternates between rounds and the medians count; afterwards the rows are counted, so that nothing is fast by losing any.
"""

import asyncio
import http.client
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from statistics import median
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy import text

from bench import population
from bench.meters import cpu_of
from bench.stand import Api, Stand, stand
from perennial.config import DEVELOPMENT_API_KEY
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.usage import Aggregation, Comparison, Filter, Meter
from perennial.engine import meters, plans
from perennial.engine.context import Engine, open_engine
from perennial.stack import StackError

OURS, COPY = "ours", "copy"
BATCH = 1000
SUBSCRIPTIONS = 500
# Requests under way at the same time, and connections of the ceiling.
SENDERS = 4
SEED = 7
_TIMEOUT_SECONDS = 60
_PLAN = "measured"
_BARE = "CREATE TABLE usage_events_bare (LIKE usage_events INCLUDING ALL)"
_COLUMNS = "id, customer_id, subscription_id, name, at, properties, received_at, late"
_COUNT = "SELECT count(*) FROM {table} WHERE id LIKE :label"
_HEADERS = {"Authorization": f"Bearer {DEVELOPMENT_API_KEY}", "Content-Type": "application/json"}

Sent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """`rate` is events a second. CPU in milliseconds per thousand events."""

    rate: float
    api_cpu_ms: float
    postgres_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """`rounds` holds what the medians are made of."""

    events: int
    ours: Measured
    copy: Measured
    rounds: dict[str, list[Measured]]

    @property
    def ratio(self) -> float:
        return self.ours.rate / self.copy.rate

    def as_dict(self) -> dict[str, object]:
        return {"ratio": round(self.ratio, 3)} | asdict(self)


def compare(events: int, rounds: int, *, say: Callable[[str], None]) -> Measurement:
    """So many events in each round, rounded up to whole batches; `say` hears of each round."""
    with stand() as place, place.api() as api:
        return asyncio.run(_compare(place, api, -(-events // BATCH), rounds, say=say))


async def _compare(place: Stand, api: Api, batches: int, rounds: int, *, say: Callable[[str], None]) -> Measurement:
    engine = await open_engine(place.settings)
    owners = await _prepare(engine)
    taken: dict[str, list[Measured]] = {OURS: [], COPY: []}
    for number in range(rounds):
        for kind in (COPY, OURS) if number % 2 == 0 else (OURS, COPY):
            sent = _events(owners, batches, f"{kind}{number}")
            measured = await asyncio.to_thread(_round, place, api, engine.db, kind, sent)
            _nothing_is_lost(engine.db, kind, number, batches * BATCH)
            taken[kind].append(measured)
            say(f"round {number + 1}, {kind}: {measured.rate:.0f} events a second")
    engine.close()
    return Measurement(batches * BATCH, _median(taken[OURS]), _median(taken[COPY]), taken)


# --- what is sent ----------------------------------------------------------------------------------------------------


async def _prepare(engine: Engine) -> list[tuple[str, str]]:
    """Subscriptions whose plan bills usage, measures it against a limit and tells when it is nearly used up."""
    sent = Filter("direction", Comparison.EQ, ("out",))
    await meters.create(engine, Meter("traffic", "Traffic", "transfer", Aggregation.SUM, "bytes", (sent,)))
    await meters.create(engine, Meter("transfers", "Transfers", "transfer", Aggregation.COUNT))
    per_unit = {"USD": {"type": "per_unit", "unit_price": "0.0001"}}
    limit = {"feature": "transfers", "kind": "limit", "meter": "transfers", "limit": 10**9, "alerts": [80, 100]}
    await plans.create_version(
        engine,
        NewPlanVersion(
            code=_PLAN,
            name="Measured",
            interval=Interval(IntervalUnit.MONTH),
            prices={"USD": {"type": "flat", "amount": "9.00"}},
            charges=({"code": "traffic", "name": "Traffic", "meter": "traffic", "prices": per_unit},),
            entitlements=(limit,),
        ),
    )
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=15)
    states = await population.write_rows(engine, _PLAN, SUBSCRIPTIONS, due, "usage")
    with engine.db.begin() as connection:
        connection.execute(text(_BARE))
    return [(state.customer_id, state.id) for state in states]


def _events(owners: Sequence[tuple[str, str]], batches: int, label: str) -> list[list[Sent]]:
    chance, now = random.Random(SEED), datetime.now(UTC)  # noqa: S311 - a population, no secret
    return [
        [_event(chance, chance.choice(owners), now, f"{label}-{batch}-{n}") for n in range(BATCH)]
        for batch in range(batches)
    ]


def _event(chance: random.Random, owner: tuple[str, str], now: datetime, event_id: str) -> Sent:
    return {
        "id": event_id,
        "customer_id": owner[0],
        "subscription_id": owner[1],
        "name": "transfer",
        "at": (now - timedelta(seconds=chance.randrange(3600))).isoformat(),
        "properties": {"bytes": chance.randrange(10**6), "direction": chance.choice(("in", "out")), "zone": "eu-1"},
    }


def _as_text(event: Sent, received_at: str) -> str:
    """A row as COPY reads it; nothing in it needs to be escaped."""
    properties = json.dumps({name: str(value) for name, value in event["properties"].items()})
    named = [event[name] for name in ("id", "customer_id", "subscription_id", "name", "at")]
    return "\t".join((*named, properties, received_at, "f")) + "\n"


# --- a round ---------------------------------------------------------------------------------------------------------


def _round(place: Stand, api: Api, db: Database, kind: str, sent: Sequence[Sequence[Sent]]) -> Measured:
    # Made beforehand: what a sender does for himself is no part of either.
    if kind == OURS:
        bodies = [json.dumps({"events": batch}).encode() for batch in sent]
        return _timed(place, api, bodies, lambda part: _post(api, part))
    now = datetime.now(UTC).isoformat()
    texts = ["".join(_as_text(event, now) for event in batch) for batch in sent]
    return _timed(place, api, texts, lambda part: _copy(db, part))


def _timed(place: Stand, api: Api, batches: Sequence[Any], send: Callable[[Sequence[Any]], None]) -> Measured:
    before, cpu_before, started = place.cpu(), cpu_of(api.process.pid), time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(send, [batches[n::SENDERS] for n in range(SENDERS)]))
    seconds = time.monotonic() - started
    cpu, api_cpu = place.cpu().since(before), cpu_of(api.process.pid) - cpu_before
    return Measured(
        rate=len(batches) * BATCH / seconds,
        api_cpu_ms=api_cpu * 1000 / len(batches),
        postgres_cpu_ms=cpu.postgres * 1000 / len(batches),
    )


def _post(api: Api, bodies: Sequence[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=_TIMEOUT_SECONDS)
    for body in bodies:
        connection.request("POST", "/v1/usage-events", body, _HEADERS)
        response = connection.getresponse()
        answer = response.read()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise StackError(f"the API refuses a batch: {answer.decode()[:500]}")
    connection.close()


def _copy(db: Database, batches: Sequence[str]) -> None:
    connection = db.raw_connection()
    try:
        for rows in batches:
            cursor: Any = connection.cursor()
            cursor.copy_expert(f"COPY usage_events_bare ({_COLUMNS}) FROM STDIN", io.StringIO(rows))
            connection.commit()
    finally:
        connection.close()


def _nothing_is_lost(db: Database, kind: str, number: int, events: int) -> None:
    table = "usage_events" if kind == OURS else "usage_events_bare"
    with db.connect() as connection:
        found = connection.scalar(text(_COUNT.format(table=table)), {"label": f"{kind}{number}-%"})
    if found != events:
        raise StackError(f"{events} events were sent and {found} are there")


def _median(taken: Sequence[Measured]) -> Measured:
    fields = Measured.__slots__
    return Measured(**{name: round(median(getattr(one, name) for one in taken), 1) for name in fields})
