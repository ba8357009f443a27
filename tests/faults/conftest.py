"""Worker processes on a task queue of their own, beside the worker that other suites use."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perennial.engine.context import Engine
from perennial.stack import ChildProcess, Stack

MODULE = Path(__file__).with_name("dying_worker.py")
Workers = Callable[..., ChildProcess]


@pytest.fixture
def workers(faulty: Engine, stack: Stack, tmp_path: Path) -> Iterator[Workers]:
    """Starts real worker processes: `perennial worker`, or one that dies as a plan says.

    With one slot they do one activity at a time: a kill hits only the one that was to be hit, and nobody else waits for
    its time-out.
    """
    started: list[ChildProcess] = []
    environment = stack.environment() | {
        "PERENNIAL_TASK_QUEUE": faulty.settings.task_queue,
        "PERENNIAL_LOG_LEVEL": "warning",
        "PATH": str(Path(sys.executable).parent),
        "PYTHONPATH": str(MODULE.parents[2]),
    }

    def start(*arguments: str, slots: int = 1) -> ChildProcess:
        command = [str(MODULE), *arguments] if arguments else ["-m", "perennial", "worker"]
        child = ChildProcess(
            "worker",
            [sys.executable, *command],
            env=environment | {"PERENNIAL_DATABASE_POOL_SIZE": str(slots)},
            cwd=tmp_path,
            log_path=tmp_path / "worker.log",
        )
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
