"""A worker is deployed that cannot replay what is there: it stops nothing else, it is seen, and going back mends it."""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from perennial.config import PREFIX
from perennial.engine.context import Engine, open_engine
from perennial.stack import ChildProcess, Stack
from perennial.stack.ports import free_port
from tests.support.stage import Stage, eventually
from worker import build_worker

METRIC = "temporal_workflow_task_execution_failed_total"


@pytest.fixture
async def apart(stack: Stack, engine: Engine) -> AsyncIterator[Engine]:
    """The shared database and Temporal, with a task queue of our own. The shared engine has seeded them."""
    settings = engine.settings.model_copy(update={"task_queue": f"careless-{uuid4().hex[:8]}"})
    own = await open_engine(settings, lazy=False)
    yield own
    own.close()


@pytest.mark.long
async def test_one_that_forgot_a_patch(apart: Engine, stack: Stack, root: Path, tmp_path: Path) -> None:
    stage = Stage(apart)
    clock = await stage.clock("2026-01-31 10:00")
    async with build_worker(apart):
        before = await stage.subscribe(clock)
        await stage.advance(clock, "2026-02-10 10:00")

    port = free_port()
    environment = os.environ | stack.environment()
    environment |= {f"{PREFIX}TASK_QUEUE": apart.settings.task_queue, f"{PREFIX}METRICS_PORT": str(port)}
    command = [sys.executable, str(root / "deploy/rainbow.py"), "--work-as", "careless"]
    careless = ChildProcess("careless", command, env=environment, log_path=tmp_path / "log")
    careless.start()
    try:
        await stage.handle(before).signal("skip_next", {"request_id": "req_skip"})
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def failures() -> list[str]:
                told = (await http.get("/metrics")).text
                return [line for line in told.splitlines() if line.startswith(METRIC) and not line.endswith(" 0")]

            [failure] = await eventually(failures, seconds=60)
        assert 'workflow_type="Subscription"' in failure
        assert 'failure_reason="NonDeterminismError"' in failure

        # Others begin and go on.
        other = await stage.clock("2026-01-31 10:00")
        after = await stage.subscribe(other)
        await stage.advance(other, "2026-03-05 10:00")
        assert len(await stage.bills(after)) == 2
    finally:
        careless.stop()

    # Back to the code before: nothing was lost in between. Temporal tries again by itself, after growing pauses.
    async with build_worker(apart):
        await eventually(lambda: stage.advance(clock, "2026-03-05 10:00"), seconds=90)
        assert (await stage.timeline(before)).count("skip_scheduled") == 1
        await stage.once_each(before)


def test_there_is_an_alert_for_it(root: Path) -> None:
    """That it fires is held by promtool (tests/observability/test_rules.py)."""
    rules = yaml.safe_load((root / "deploy/prometheus/rules/perennial.yml").read_text())
    [alert] = [rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == "WorkflowTasksFail"]
    assert METRIC in alert["expr"]
    assert (alert["labels"]["severity"], "for" in alert) == ("page", False)
    assert METRIC in (root / "deploy/prometheus/tests/perennial.yml").read_text()
    assert json.dumps(alert["annotations"]).count("{{ $labels.failure_reason }}") == 1
