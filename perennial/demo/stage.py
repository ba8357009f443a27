"""Where the demo plays: a stack, thrown away unless it is kept, a worker process, and a relay in a thread of ours."""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import func, select

from perennial.cli.migrations import upgrade
from perennial.config import PREFIX, Settings
from perennial.db.models import OutboxMessage
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.relay import Relay
from perennial.relay import pump
from perennial.stack import ChildProcess, Stack
from perennial.stack.folder import StackFolder

_STOP_SECONDS = 15
_OWN = {
    "gateway": "simulator",
    "gateways": (),
    "task_queue": "perennial-demo",
    "renewal_window_seconds": 0,
    "log_level": "warning",
}


@contextmanager
def stage(keep: Path | None = None) -> Iterator[Settings]:
    """PostgreSQL, Temporal and a worker; the settings lead to them. All of it is gone afterwards, or stays in `keep`,
    where `perennial dev` goes on with it.
    """
    own = _OWN | ({"task_queue": Settings.model_fields["task_queue"].default} if keep else {})
    with _stack(keep) as stack:
        upgrade(stack.database_url)
        worker = _worker(stack, own)
        worker.start()
        try:
            yield stack.settings().model_copy(update=own)
        finally:
            worker.stop(_STOP_SECONDS)


def _stack(keep: Path | None) -> Stack:
    return Stack(StackFolder(keep, throw_away=False), durable=False, ui=False) if keep else Stack.throw_away()


def _worker(stack: Stack, own: Mapping[str, object]) -> ChildProcess:
    """It knows nothing of the settings of this terminal or folder: they are about other engines."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= stack.environment() | {f"{PREFIX}{name.upper()}": _text(value) for name, value in own.items()}
    # -P: a folder of the current directory must not take the place of one of our packages
    command = [sys.executable, "-P", "-m", "perennial", "worker"]
    log = stack.folder.log_path("worker")
    return ChildProcess("worker", command, env=environment, cwd=stack.folder.path, log_path=log)


def _text(value: object) -> str:
    """As an environment variable has it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@asynccontextmanager
async def engine_of(settings: Settings) -> AsyncIterator[Engine]:
    """The engine, with messages being delivered to the local mailbox meanwhile."""
    engine = await open_engine(settings, lazy=False)
    prepare_gateway(engine.gateway)
    stop = Event()
    relay = Relay(engine.sessions, (LocalMailbox(engine.sessions, _now),), _now)
    thread = Thread(target=pump, args=((relay.run_once,), stop), name="relay", daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)
        engine.close()


async def undelivered(engine: Engine) -> int:
    """Messages that wait in the outbox."""
    waiting = select(func.count()).where(OutboxMessage.delivered_at.is_(None))
    return await engine.read(lambda session: session.scalar(waiting) or 0)


def _now() -> datetime:
    return datetime.now(UTC)
