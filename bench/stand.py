"""Where it is measured: a stack of its own, as production would configure it but for the in-memory Temporal."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.meters import Cpu, cpu_of
from perennial.cli.migrations import upgrade
from perennial.config import PREFIX, Settings
from perennial.stack import ChildProcess, Stack, StackError
from perennial.stack.folder import StackFolder
from perennial.stack.ports import free_port
from perennial.stack.process import tail

_STOP_SECONDS = 15
_START_SECONDS = 30


class Stand:
    """A running stack, and one worker process at a time."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._worker: ChildProcess | None = None

    @property
    def settings(self) -> Settings:
        own = {"task_queue": "perennial", "gateway": "simulator", "renewal_window_seconds": 0, "database_pool_size": 10}
        return self._stack.settings().model_copy(update=own)

    @contextmanager
    def worker(self, kind: str) -> Iterator[None]:
        """A fresh worker process for workflows of this kind, stopped at the end."""
        log = self._stack.folder.log_path(f"worker-{kind}")
        self._worker = self._child("worker", ["bench.worker", kind], log)
        self._worker.start()
        try:
            yield
            if not self._worker.is_running:
                raise StackError(f"the worker has ended:\n{tail(log)}")
        finally:
            self._worker.stop(_STOP_SECONDS)

    @contextmanager
    def api(self) -> Iterator["Api"]:
        """A fresh API process that answers, stopped at the end."""
        log = self._stack.folder.log_path("api")
        port = free_port()
        child = self._child("api", ["perennial", "api", "--port", str(port)], log)
        child.start()
        try:
            _wait_until_healthy(child, port, log)
            yield Api(port, child)
            if not child.is_running:
                raise StackError(f"the API has ended:\n{tail(log)}")
        finally:
            child.stop(_STOP_SECONDS)

    def _child(self, name: str, module: Sequence[str], log: Path) -> ChildProcess:
        # The settings of this terminal or folder are about other engines.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return ChildProcess(
            name,
            [sys.executable, "-P", "-m", *module],
            env=environment | self._stack.environment(),
            cwd=self._stack.folder.path,
            log_path=log,
        )

    def replace_worker(self) -> None:
        """The same again, which remembers nothing."""
        assert self._worker is not None, "a worker runs"
        self._worker.stop(_STOP_SECONDS)
        self._worker.start()

    def cpu(self) -> Cpu:
        """Of the three processes, until now."""
        postgres, temporal = self._stack.postgres, self._stack.temporal
        return Cpu(
            server=cpu_of(temporal.process.pid if temporal and temporal.process else None),
            worker=cpu_of(self._worker.pid if self._worker else None),
            postgres=cpu_of(postgres.process.pid if postgres and postgres.process else None),
        )


@dataclass(frozen=True, slots=True)
class Api:
    """Where a running API process answers."""

    port: int
    process: ChildProcess


def _wait_until_healthy(child: ChildProcess, port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while child.is_running and time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=1).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise StackError(f"the API does not start:\n{tail(log)}")


@contextmanager
def stand() -> Iterator[Stand]:
    """PostgreSQL with everything that makes it durable, Temporal in memory; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="perennial-bench-") as folder:
        # Not a throw-away folder: that would switch fsync off.
        stack = Stack(StackFolder(Path(folder) / "state", throw_away=False), temporal_file=False, ui=False)
        with stack:
            upgrade(stack.database_url)
            yield Stand(stack)
            time.sleep(0.1)  # the last sessions are cut before the server is
