"""Where chaos happens: a throw-away stack that forgets nothing when it is killed, with its processes."""

import os
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from perennial.chaos import defects
from perennial.chaos.kinds import Kind
from perennial.chaos.population import MOST_CLOCKS
from perennial.chaos.storm import BOTH, WORKERS
from perennial.chaos.workers import KILL, READY
from perennial.cli.migrations import upgrade
from perennial.config import PREFIX, Settings
from perennial.stack import ChildProcess, Stack, StackError
from perennial.stack.ports import free_port
from perennial.stack.process import tail

_STOP_SECONDS = 10
# Units of work that the runner does at the same time, each in a thread of its own.
THREADS = 24
# Each has its connection, and so has each clock that moves: nobody waits for one.
_POOL = THREADS + MOST_CLOCKS
_KEPT = "perennial-chaos-"


class House:
    """PostgreSQL, Temporal, two workers, a relay and the API. All of it is gone at the end, whatever the end was.

    `keep`: the folder with the logs and the database is left behind (`kept`).
    """

    def __init__(self, *, keep: bool = False, defect: str | None = None) -> None:
        self.kills: Counter[Kind] = Counter()
        self.kept: Path | None = None
        self._stack = Stack.throw_away(temporal_file=True, durable=True)
        self._keep = keep
        self._defect = defect
        self._port = free_port()
        self._children: dict[str, ChildProcess] = {}

    @property
    def settings(self) -> Settings:
        own: dict[str, object] = {
            "gateway": "simulator",
            "task_queue": "perennial-chaos",
            "api_port": self._port,
            "log_level": "warning",
        }
        return self._stack.settings().model_copy(update=own | {"database_pool_size": _POOL})

    def __enter__(self) -> Self:
        self._stack.start()
        try:
            upgrade(self._stack.database_url)
            for name in ("api", "relay"):
                self._start(name, "-m", "perennial", name)
            self._start("workers", "-m", "perennial.chaos.workers")
            self._wait_until_ready()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def strike(self, kind: Kind, worker: int = 0) -> None:
        """One blow, and the repair that follows it at once."""
        match kind:
            case Kind.KILL_WORKER:
                for place in range(WORKERS) if worker == BOTH else (worker,):
                    self._children["workers"].signal(KILL[place])
                    self.kills[kind] += 1
            case Kind.RESTART_POSTGRES:
                assert self._stack.postgres is not None, "it has been started"
                self._stack.postgres.kill()
                self._stack.postgres.start()
                self.kills[kind] += 1
            case Kind.RESTART_TEMPORAL:
                assert self._stack.temporal is not None, "it has been started"
                self._stack.temporal.kill()
                self._stack.temporal.start()
                self.kills[kind] += 1
            case _:
                message = f"{kind} is not done to processes"
                raise ValueError(message)

    def check(self) -> None:
        """Raises StackError when a process has ended that nobody has killed."""
        for name, child in self._children.items():
            if not child.is_running:
                words = tail(self._stack.folder.log_path(name))
                raise StackError(f"{name} ended with exit code {child.returncode}. The end of its log:\n{words}")

    def _wait_until_ready(self) -> None:
        ready = self._stack.folder.path / READY
        while not ready.exists():
            self.check()
            time.sleep(0.05)

    def _start(self, name: str, *arguments: str) -> None:
        # -P: a folder of the current directory must not take the place of one of our packages
        command = [sys.executable, "-P", *arguments]
        folder = self._stack.folder
        child = ChildProcess(name, command, env=self._environment(), cwd=folder.path, log_path=folder.log_path(name))
        self._children[name] = child
        child.start()

    def _environment(self) -> dict[str, str]:
        """Nothing of the settings of this terminal: they are about other engines."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        own = self.settings
        environment |= self._stack.environment() | {
            f"{PREFIX}ENVIRONMENT": own.environment.value,
            f"{PREFIX}TASK_QUEUE": own.task_queue,
            f"{PREFIX}API_PORT": str(own.api_port),
            f"{PREFIX}LOG_LEVEL": own.log_level,
        }
        return environment | ({defects.VARIABLE: self._defect} if self._defect else {})

    def _close(self) -> None:
        for child in self._children.values():
            child.stop(_STOP_SECONDS)
        folder = self._stack.folder
        if self._keep:
            folder.throw_away = False
        self._stack.stop()
        if self._keep and folder.path.exists():
            # Under its old name a later stack would take it for abandoned.
            self.kept = folder.path.rename(folder.path.with_name(folder.path.name.replace("perennial-stack-", _KEPT)))
