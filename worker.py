"""The worker process: it runs the workflows and their activities. One composition root."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

import perennial
from activities.registry import build_activities
from perennial.config import Settings
from perennial.engine.context import Engine, from_thread, open_engine
from perennial.engine.parts import look
from perennial.gateways.registry import prepare_gateways
from perennial.links import dashboard_url
from perennial.observability import serving
from perennial.temporal.builds import sum_of
from perennial.temporal.handed_in import LinksToDashboard
from perennial.temporal.schedules import ensure_schedules
from workflows.registry import WORKFLOWS

# As many threads as database connections: an activity that waits for a connection is only a hidden queue.
MAX_ACTIVITIES = 10
MAX_CACHED_RUNS = 500
# A module that is neither passed through on purpose nor made for the sandbox would be there twice: it is an error.
SANDBOX = replace(
    SandboxRestrictions.default,
    import_notification_policy=SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH,
)


def build_worker(
    engine: Engine,
    workflows: Sequence[type] = WORKFLOWS,
    activities: Sequence[Callable[..., Any]] | None = None,
) -> Worker:
    """A worker of the engine's task queue. The sandbox is for tests: see docs/adr/0003-unsandboxed-workers.md.

    A benchmark hands in workflows and activities of its own, to be run with the same settings.
    """
    settings = engine.settings
    runner = (
        SandboxedWorkflowRunner(restrictions=SANDBOX) if settings.sandboxed_workflows else UnsandboxedWorkflowRunner()
    )
    slots = min(MAX_ACTIVITIES, settings.database_pool_size)
    return Worker(
        engine.temporal,
        task_queue=settings.task_queue,
        workflows=workflows,
        activities=build_activities(engine, workflows) if activities is None else activities,
        activity_executor=ThreadPoolExecutor(slots, thread_name_prefix="activity"),
        max_concurrent_activities=slots,
        max_cached_workflows=MAX_CACHED_RUNS,
        # A killed worker's runs are taken over by another after this long.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=3),
        graceful_shutdown_timeout=timedelta(seconds=10),
        workflow_runner=runner,
        interceptors=[LinksToDashboard(dashboard_url(settings))],
        **_version(settings),
    )


def _version(settings: Settings) -> dict[str, Any]:
    """Histories say which build decided what (`perennial support batch-reset --build`), also without versions."""
    versioned = deployment(settings)
    return {"build_id": code_build()} if versioned is None else {"deployment_config": versioned}


@cache
def code_build() -> str:
    """The sum of the code as it lies here: what it was called when this process began is what runs."""
    root = Path(__file__).parent
    return sum_of([root / "workflows", root / "activities", Path(perennial.__file__).parent])


def deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """Which version this worker is, by docs/adr/0007-worker-versions.md; None: versions are not told apart.

    Workflows that do not say otherwise go on with the newest version, whenever they wake.
    """
    if settings.deployment_name is None or settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is in hand."""
    engine = await open_engine(settings, lazy=False)
    prepare_gateways(engine.gateways)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await ensure_schedules(engine.temporal, settings.task_queue)
    loop = asyncio.get_running_loop()
    with serving(settings, lambda: from_thread(loop, look(engine))):
        async with build_worker(engine):
            await stop.wait()
    engine.close()


def main(settings: Settings) -> None:
    asyncio.run(run(settings))
