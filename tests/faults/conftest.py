"""Worker processes on a task queue of their own, beside the worker that other suites use."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from perennial.engine.context import Engine, open_engine
from perennial.stack import ChildProcess, Stack

MODULE = Path(__file__).with_name("dying_worker.py")
Workers = Callable[..., ChildProcess]


@pytest.fixture
async def faulty(engine: Engine, stack: Stack) -> AsyncIterator[Engine]:
    """The engine on a task queue on which nobody works yet."""
    settings = engine.settings.model_copy(update={"task_queue": f"faults-{uuid4().hex[:8]}"})
    opened = await open_engine(settings, lazy=False)
    yield opened
    opened.close()


@pytest.fixture
def workers(faulty: Engine, stack: Stack, tmp_path: Path) -> Iterator[Workers]:
    """Starts real worker processes: `perennial worker`, or one that dies as a plan says."""
    started: list[ChildProcess] = []
    environment = stack.environment() | {
        "PERENNIAL_TASK_QUEUE": faulty.settings.task_queue,
        "PERENNIAL_LOG_LEVEL": "warning",
        # One activity at a time: a kill hits only the one that was to be hit, and nobody else waits for its time-out.
        "PERENNIAL_DATABASE_POOL_SIZE": "1",
        "PATH": str(Path(sys.executable).parent),
        "PYTHONPATH": str(MODULE.parents[2]),
    }

    def start(*arguments: str) -> ChildProcess:
        command = [str(MODULE), *arguments] if arguments else ["-m", "perennial", "worker"]
        child = ChildProcess(
            "worker", [sys.executable, *command], env=environment, cwd=tmp_path, log_path=tmp_path / "worker.log"
        )
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
