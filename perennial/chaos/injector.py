"""Lets the storm loose: a beat after the other, until it is told to stop. Then everything is calm and up."""

import asyncio
from collections import Counter
from dataclasses import replace

from perennial.chaos.house import House
from perennial.chaos.kinds import PROCESSES, Kind
from perennial.chaos.patience import persist
from perennial.chaos.storm import Blow, storm
from perennial.engine.context import Engine
from perennial.gateways import simulator
from perennial.gateways.simulator import NO_FAULTS, SimulatorFaults

BEAT_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0

_WEATHER: dict[Kind, dict[str, int | bool]] = {
    Kind.GATEWAY_TIMEOUT: {"lose_answer_every": 7},
    Kind.GATEWAY_429: {"rate_limit_every": 9},
    Kind.GATEWAY_500: {"error_every": 11},
    Kind.WEBHOOK_DROP: {"webhook_drop_every": 2},
    Kind.WEBHOOK_DELAY: {"webhook_delay_ms": 700},
    Kind.WEBHOOK_DOUBLE: {"webhook_double_every": 2},
    Kind.WEBHOOK_REORDER: {"webhook_reorder": True},
}
# The simulator counts these one by one; of the others it is counted how often they were switched on.
_COUNTED = {
    Kind.GATEWAY_TIMEOUT: "lose_answer_every",
    Kind.GATEWAY_429: "rate_limit_every",
    Kind.GATEWAY_500: "error_every",
    Kind.WEBHOOK_DROP: "webhook_drop_every",
    Kind.WEBHOOK_DOUBLE: "webhook_double_every",
}


class Injector:
    """`injected` is shared with those who inject what no process can: races, lost answers."""

    def __init__(
        self, engine: Engine, house: House, seed: int, kinds: frozenset[Kind], injected: Counter[Kind]
    ) -> None:
        self._engine = engine
        self._house = house
        self._seed = seed
        self._kinds = kinds
        self._injected = injected
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Raises StackError when a process has ended that nobody has killed."""
        for blows in storm(self._seed, self._kinds):
            for blow in blows:
                await self._strike(blow)
            self._house.check()
            try:
                await asyncio.wait_for(self._over.wait(), BEAT_SECONDS)
            except TimeoutError:
                continue
            break

    async def calm(self) -> None:
        """The end of the storm: the last blow's repair is done, the gateway is well."""
        self._over.set()
        await self._change_weather(frozenset())

    async def count(self) -> Counter[Kind]:
        """What was injected, by kind."""
        struck = await persist(
            lambda: asyncio.to_thread(simulator.injected, self._engine.db), _PATIENCE_SECONDS, "count"
        )
        counted = Counter({kind: struck.get(name, 0) for kind, name in _COUNTED.items()})
        return Counter({kind: (self._injected + self._house.kills + counted)[kind] for kind in self._kinds})

    async def _strike(self, blow: Blow) -> None:
        if blow.weather is not None:
            await self._change_weather(blow.weather)
        elif blow.kind in PROCESSES:
            await asyncio.to_thread(self._house.strike, blow.kind, blow.worker)

    async def _change_weather(self, weather: frozenset[Kind]) -> None:
        faults: SimulatorFaults = NO_FAULTS
        for kind in weather:
            faults = replace(faults, **_WEATHER[kind])  # type: ignore[arg-type]
        self._injected.update(kind for kind in weather if kind not in _COUNTED)
        await persist(
            lambda: asyncio.to_thread(simulator.set_faults, self._engine.db, faults), _PATIENCE_SECONDS, "weather"
        )
