"""What a use-case needs: sessions, a Temporal client, gateways, a clock. Opened once a process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from temporalio.client import Client, WorkflowExecution, WorkflowHandle
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from perennial.config import Settings
from perennial.db.engine import Sessions, make_engine, make_sessions, unit_of_work
from perennial.domain.errors import EngineUnavailable
from perennial.gateways.enabled import Gateways
from perennial.gateways.registry import build_gateways
from perennial.ports import PaymentGateway, TaxCalculator
from perennial.tax.registry import build_tax_calculator
from perennial.temporal.client import connect

T = TypeVar("T")

# How long one call to Temporal may take before the caller is told to come again.
RPC_TIMEOUT = timedelta(seconds=5)
# How the Temporal SDK says that a lazy client's first connection has failed: no class of its own, only these words.
_CANNOT_CONNECT = "Failed client connect"
# Exhausted is a workflow that too many ask at once, as behind a worker that was killed.
_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
)


@dataclass(frozen=True, slots=True)
class Engine:
    """`clock` gives the instant at the edge (UTC): when a customer asked. Nothing below it reads a clock."""

    settings: Settings
    db: sqlalchemy.Engine
    sessions: Sessions
    temporal: Client
    gateways: Gateways
    taxes: TaxCalculator
    clock: Callable[[], datetime]

    @property
    def gateway(self) -> PaymentGateway:
        """The primary one."""
        return self.gateways.primary

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run one unit of work in a thread; it commits when it returns.

        Raises:
            EngineUnavailable: if PostgreSQL is away. Nothing has been written then.
        """
        return await asyncio.to_thread(self._run, work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run one reading unit of work in a thread."""
        return await asyncio.to_thread(self._run, work)

    def _run(self, work: Callable[[Session], T]) -> T:
        try:
            with unit_of_work(self.sessions) as session:
                return work(session)
        except (OperationalError, PoolTimeout) as error:
            message = "PostgreSQL is away"
            raise EngineUnavailable(message) from error

    async def connection(self) -> sqlalchemy.Connection:
        """A connection of its own, to be closed by the caller. Raises EngineUnavailable."""
        try:
            return await asyncio.to_thread(self.db.connect)
        except (OperationalError, PoolTimeout) as error:
            message = "PostgreSQL is away"
            raise EngineUnavailable(message) from error

    def close(self) -> None:
        self.db.dispose()


async def open_engine(settings: Settings, clock: Callable[[], datetime] | None = None, *, lazy: bool = True) -> Engine:
    """Lazy: a part that is away is noticed when it is needed. A worker needs Temporal at once (`lazy=False`)."""
    db = make_engine(settings.require_database_url(), pool_size=settings.database_pool_size)
    client = await connect(settings, lazy=lazy)
    gateways = build_gateways(settings, db)
    taxes = build_tax_calculator(settings)
    return Engine(settings, db, make_sessions(db), client, gateways, taxes, clock or (lambda: datetime.now(UTC)))


async def temporal_call(call: Awaitable[T]) -> T:
    """Translates what says that Temporal is away; other errors pass.

    Raises:
        EngineUnavailable: Temporal, or every worker, is away.
    """
    try:
        return await call
    except RPCError as error:
        if error.status in _AWAY:
            message = "Temporal is away"
            raise EngineUnavailable(message) from error
        raise
    except RuntimeError as error:
        if not str(error).startswith(_CANNOT_CONNECT):
            raise
        message = "Temporal is away"
        raise EngineUnavailable(message) from error


async def list_runs(engine: Engine, query: str, limit: int | None = None) -> AsyncIterator[WorkflowExecution]:
    """What the visibility store finds, newest first. It lags a little: a run of this moment may not be there yet.

    Raises:
        EngineUnavailable: Temporal is away.
    """
    found = engine.temporal.list_workflows(query, limit=limit)
    while run := await temporal_call(anext(found, None)):
        yield run


async def start_workflow(
    engine: Engine,
    kind: str,
    start: object,
    id: str,
    summary: str,
    attributes: TypedSearchAttributes | None = None,
    signal: str | None = None,
    memo: Mapping[str, str] | None = None,
) -> WorkflowHandle[Any, Any]:
    """Start a workflow; one of this id that runs is left alone, but for the `signal`.

    Raises:
        EngineUnavailable: Temporal is away.
    """
    return await temporal_call(
        engine.temporal.start_workflow(
            kind,
            start,
            id=id,
            task_queue=engine.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=attributes,
            start_signal=signal,
            memo=memo,
            static_summary=summary,
            rpc_timeout=RPC_TIMEOUT,
        )
    )


def from_thread(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the loop from a unit of work and wait for it."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()
