"""Workers that bear the name of a build."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from activities.registry import build_activities
from perennial.engine.context import Engine
from perennial.support.batch import Meant, found
from tests.support.stage import Stage, at, eventually, nothing_due_until
from workflows.registry import WORKFLOWS


def built(engine: Engine, build: str, *, versioned: bool = False) -> AbstractAsyncContextManager[Any]:
    """A worker of this build; `versioned`: as docs/deploying.md has it, in a deployment of this test alone."""
    version = WorkerDeploymentVersion(engine.settings.task_queue, build)
    how: dict[str, Any] = {"build_id": build}
    if versioned:
        how = {
            "deployment_config": WorkerDeploymentConfig(
                version=version,
                use_worker_versioning=True,
                default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
            )
        }
    return Worker(
        engine.temporal,
        task_queue=engine.settings.task_queue,
        workflows=WORKFLOWS,
        activities=build_activities(engine, WORKFLOWS),
        activity_executor=ThreadPoolExecutor(5),
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        **how,
    )


async def promote(engine: Engine, build: str) -> None:
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=engine.temporal.namespace,
        deployment_name=engine.settings.task_queue,
        build_id=build,
        identity="a test",
    )

    async def promoted() -> bool:
        """Refused until the server has seen a worker of it."""
        await engine.temporal.workflow_service.set_worker_deployment_current_version(request)
        return True

    await eventually(promoted)


async def at_rest(stage: Stage, subscription: str) -> bool:
    return nothing_due_until(await stage.progress(subscription), at("2026-02-01 10:00"))


@asynccontextmanager
async def decided_by_another(stage: Stage) -> AsyncIterator[tuple[str, list[str]]]:
    """The name of a build that is gone, and the two subscriptions that it has begun; a worker of today is at work."""
    engine = stage.engine
    build = f"gone-{engine.settings.task_queue}"
    async with built(engine, build):
        clock = await stage.clock("2026-01-31 10:00")
        subs = sorted([await stage.subscribe(clock, "team-monthly") for _ in range(2)])
        for each in subs:
            await eventually(lambda each=each: at_rest(stage, each))  # type: ignore[misc]

        async def listed() -> bool:
            return await found(engine, Meant(build=build)) == subs

        await eventually(listed)
    async with built(engine, f"today-{engine.settings.task_queue}"):
        yield build, subs
