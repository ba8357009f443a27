"""The interpreter in the sandbox, on a task queue of its own beside the worker that other suites use."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

import workflows.subscription
from perennial.engine.context import Engine, open_engine
from tests.support.stage import Stage
from tests.workflows.careless import Careless
from worker import build_worker
from workflows.registry import WORKFLOWS


async def _beside(engine: Engine, **settings: object) -> Engine:
    opened = await open_engine(engine.settings.model_copy(update=settings), lazy=False)
    return replace(opened, clock=engine.clock)


@pytest.fixture(scope="session")
async def sandboxed(engine: Engine) -> AsyncIterator[Engine]:
    opened = await _beside(engine, task_queue="sandboxed", sandboxed_workflows=True)
    async with build_worker(opened, (*WORKFLOWS, Careless)):
        yield opened
    opened.close()


@pytest.fixture
def stage(sandboxed: Engine) -> Stage:
    return Stage(sandboxed)


@pytest.fixture
async def short_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Runs of a few renewals. Not in the sandbox, which reads the module afresh and so the true number."""
    monkeypatch.setattr(workflows.subscription, "EVENTS_PER_RUN", 40)
    opened = await _beside(engine, task_queue="short-runs")
    async with build_worker(opened):
        yield Stage(opened)
    opened.close()
