"""Renewals per second when many subscriptions fall due at one instant, beside the same of a bare workflow.

Both run on the same server, with the same worker settings, in the same run; the order alternates between rounds and
the medians count. A renewal ends when its workflow sleeps again, by the server's own clock.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from bench import meters, population
from bench.histories import renewals, wait_until_asleep
from bench.stand import Stand, stand
from perennial.engine import demo_catalog
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import StackError

OURS, BARE = "ours", "bare"
STARTERS = {OURS: population.start_ours, BARE: population.start_bare}
# Starts a second that a slow machine manages; the herd must be asleep before it is due.
STARTS_A_SECOND = 35
SETTLE_SECONDS = 6
EVENTS_BEFORE_SLEEP = 4
ATTEMPTS = 3
# Stopping a worker and starting another one.
COLD_SECONDS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """Per renewal, but for `rate` (renewals a second). CPU in milliseconds."""

    rate: float
    events: float
    transactions: float
    server_cpu_ms: float
    worker_cpu_ms: float
    postgres_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """`rounds` holds what the medians are made of."""

    subscriptions: int
    ours: Measured
    bare: Measured
    rounds: dict[str, list[Measured]]

    @property
    def ratio(self) -> float:
        return self.ours.rate / self.bare.rate

    def as_dict(self) -> dict[str, object]:
        return {"ratio": round(self.ratio, 3)} | asdict(self)


def compare(subscriptions: int, rounds: int, *, cold: bool, say: Callable[[str], None]) -> Comparison:
    """Measure; `say` hears of each round. `cold`: the worker is replaced while they sleep, so each wake-up replays."""
    with stand() as place:
        return asyncio.run(_compare(place, subscriptions, rounds, cold=cold, say=say))


async def _compare(
    place: Stand, subscriptions: int, rounds: int, *, cold: bool, say: Callable[[str], None]
) -> Comparison:
    engine = await open_engine(place.settings, lazy=False)
    prepare_gateway(engine.gateway)
    await demo_catalog.seed(engine)
    taken: dict[str, list[Measured]] = {OURS: [], BARE: []}
    for number in range(rounds):
        for kind in (BARE, OURS) if number % 2 == 0 else (OURS, BARE):
            measured = await _round(place, engine, kind, subscriptions, f"{kind}{number}", cold=cold)
            taken[kind].append(measured)
            say(f"round {number + 1}, {kind}: {measured.rate:.1f} renewals a second")
    engine.close()
    return Comparison(subscriptions, _median(taken[OURS]), _median(taken[BARE]), taken)


async def _round(place: Stand, engine: Engine, kind: str, count: int, label: str, *, cold: bool) -> Measured:
    with place.worker(kind):
        ids, asleep, due = await _put_to_sleep(engine, kind, count, label, COLD_SECONDS if cold else 1)
        if cold:
            place.replace_worker()
        commits = meters.commits(engine.db)
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        before = place.cpu()
        await wait_until_asleep(engine.temporal, ids, asleep)
        cpu = place.cpu().since(before)
    # The worker has stopped, so its sessions have reported.
    commits = meters.commits(engine.db) - commits
    done = await renewals(engine.temporal, ids)
    seconds = (max(one.asleep_at for one in done) - due).total_seconds()
    return Measured(
        rate=count / seconds,
        events=sum(one.events for one in done) / count,
        transactions=commits / count,
        server_cpu_ms=cpu.server * 1000 / count,
        worker_cpu_ms=cpu.worker * 1000 / count,
        postgres_cpu_ms=cpu.postgres * 1000 / count,
    )


async def _put_to_sleep(
    engine: Engine, kind: str, count: int, label: str, ahead: float
) -> tuple[list[str], int, datetime]:
    """Workflows that all sleep so many seconds before they are due; a busy machine gets more time and new ones."""
    seconds = SETTLE_SECONDS + ahead + count / STARTS_A_SECOND
    for attempt in range(ATTEMPTS):
        due = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        ids = await STARTERS[kind](engine, count, due, f"{label}_{attempt}")
        asleep = await wait_until_asleep(engine.temporal, ids, EVENTS_BEFORE_SLEEP)
        if datetime.now(UTC) < due - timedelta(seconds=ahead):
            return ids, asleep, due
        seconds *= 2
    raise StackError(f"this machine is too busy to put {count} workflows to sleep")


def _median(taken: Sequence[Measured]) -> Measured:
    fields = Measured.__slots__
    return Measured(**{name: round(median(getattr(one, name) for one in taken), 2) for name in fields})
