"""Faults that are switched on for the whole gateway, at run time and from any process.

`every n` counts calls, so the n-th, 2n-th, ... call is hit: the same calls give the same faults, no dice are thrown.
"""

from dataclasses import asdict, dataclass
from time import monotonic, sleep

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects.postgresql import insert

from perennial.gateways.simulator import books
from perennial.gateways.simulator.schema import counters, faults
from perennial.ports import GatewayOutcomeUnknown, GatewayUnavailable

# How long a process may still act upon old settings. One look at the table a quarter second instead of one a charge.
_FRESH_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class SimulatorFaults:
    """What goes wrong. Zero and False mean never.

    `lose_answer_every`: carried out, the answer lost. `error_every`: 500, not carried out, but the caller cannot know.
    `rate_limit_every`: 429, certainly not carried out. `latency_ms` is added to each call.
    `webhook_reorder` delivers the newest first.
    """

    latency_ms: int = 0
    lose_answer_every: int = 0
    error_every: int = 0
    rate_limit_every: int = 0
    webhook_delay_ms: int = 0
    webhook_drop_every: int = 0
    webhook_double_every: int = 0
    webhook_reorder: bool = False


NO_FAULTS = SimulatorFaults()


def set_faults(engine: Engine, settings: SimulatorFaults) -> None:
    """Switch faults on, or off with `NO_FAULTS`. Counting begins anew. Others notice within a quarter second."""
    statement = insert(faults).values(id=1, settings=asdict(settings))
    statement = statement.on_conflict_do_update(index_elements=["id"], set_={"settings": statement.excluded.settings})
    with engine.begin() as connection:
        connection.execute(statement)
        connection.execute(delete(counters).where(counters.c.name.startswith("fault:", autoescape=True)))


def injected(engine: Engine) -> dict[str, int]:
    """How many faults of each kind have been injected so far, by the name of the setting."""
    query = select(counters.c.name, counters.c.value).where(counters.c.name.startswith("injected:", autoescape=True))
    with engine.connect() as connection:
        return {name.removeprefix("injected:"): value for name, value in connection.execute(query)}


class FaultBoard:
    """The faults as one process sees them. `engine` must be in autocommit: what was counted stays counted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._settings = NO_FAULTS
        self._read_at = float("-inf")

    def current(self) -> SimulatorFaults:
        if monotonic() - self._read_at > _FRESH_SECONDS:
            with self._engine.connect() as connection:
                settings = connection.execute(select(faults.c.settings)).scalar()
            self._settings = SimulatorFaults(**settings) if settings else NO_FAULTS
            self._read_at = monotonic()
        return self._settings

    def before_call(self) -> None:
        """Raises GatewayUnavailable or GatewayOutcomeUnknown when it is this call's turn."""
        now = self.current()
        if now == NO_FAULTS:
            return
        if now.latency_ms:
            sleep(now.latency_ms / 1000)
        if self.strikes("rate_limit_every", now.rate_limit_every):
            raise GatewayUnavailable("429 too many requests")
        if self.strikes("error_every", now.error_every):
            raise GatewayOutcomeUnknown("500 internal server error")

    def after_call(self) -> None:
        """Raises GatewayOutcomeUnknown when it is this call's turn: all is done, and the answer is lost."""
        if self.strikes("lose_answer_every", self.current().lose_answer_every):
            raise GatewayOutcomeUnknown("the connection was lost before the answer came")

    def strikes(self, kind: str, every: int) -> bool:
        """Count one more chance for a fault, and tell whether this is the one."""
        if every <= 0:
            return False
        with self._engine.connect() as connection:
            hit = books.count(connection, f"fault:{kind}") % every == 0
            if hit:
                books.count(connection, f"injected:{kind}")
        return hit
