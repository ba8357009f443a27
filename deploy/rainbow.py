"""A rainbow deployment on real servers: two versions of the worker side by side, no subscription lost or billed twice.

    .venv/bin/python deploy/rainbow.py [--subscriptions 40]

It starts a throw-away PostgreSQL and Temporal, the worker as `v1`, and subscriptions on a test clock. Then comes `v2`,
whose subscriptions take one more step (behind `workflow.patched`): it gets a part of the work, then all of it, and `v1`
goes. A month passes at every stage, and new subscriptions begin. Exit code 1 when one is lost, late, or billed twice.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from temporalio import workflow
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.service import RPCError

from perennial.cli.migrations import upgrade
from perennial.config import PREFIX, load_settings
from perennial.domain.errors import EngineUnavailable
from perennial.engine import clocks, customers, demo_catalog, subscriptions
from perennial.engine.context import Engine, open_engine
from perennial.engine.subscriptions import NewSubscription
from perennial.gateways.registry import prepare_gateway
from perennial.gateways.simulator.witness import witness
from perennial.stack import ChildProcess, Stack
from worker import main as run_worker
from workflows.subscription import SubscriptionWorkflow

DEPLOYMENT = "perennial"
BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)
RAMP_PERCENT = 30.0
PATIENCE_SECONDS = 60.0
MARK = "stepped_by"
THIS = str(Path(__file__).absolute())

Say = Callable[[str], None]


# --- a version of the worker, in a process of its own ----------------------------------------------------------------


def next_release(build: str) -> None:
    """What v2 does otherwise: each step leaves a mark in the run's memo. `careless` forgets `workflow.patched`."""
    step = SubscriptionWorkflow._next_step  # noqa: SLF001 - this is where the releases differ

    async def marked(self: SubscriptionWorkflow) -> None:
        if build == "careless" or workflow.patched("rainbow"):
            workflow.upsert_memo({MARK: build})
        await step(self)

    SubscriptionWorkflow._next_step = marked  # type: ignore[method-assign]  # noqa: SLF001


# --- the deployment --------------------------------------------------------------------------------------------------


class Deployment:
    """What an operator does with `temporal worker deployment ...`."""

    def __init__(self, engine: Engine) -> None:
        self._client = engine.temporal

    async def builds(self) -> set[str]:
        """Those that Temporal has seen."""
        request = DescribeWorkerDeploymentRequest(namespace=self._client.namespace, deployment_name=DEPLOYMENT)
        answer = await self._client.workflow_service.describe_worker_deployment(request)
        return {one.deployment_version.build_id for one in answer.worker_deployment_info.version_summaries}

    async def ramp(self, build: str, percent: float) -> None:
        """So much of what begins, and of what may move, goes to this build."""
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self._client.namespace,
            deployment_name=DEPLOYMENT,
            build_id=build,
            percentage=percent,
            identity="rainbow",
        )
        await patiently(lambda: self._client.workflow_service.set_worker_deployment_ramping_version(request))

    async def promote(self, build: str) -> None:
        """Everything that begins, and everything that may move, goes to this build."""
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self._client.namespace, deployment_name=DEPLOYMENT, build_id=build, identity="rainbow"
        )
        await patiently(lambda: self._client.workflow_service.set_worker_deployment_current_version(request))


async def patiently(ask: Callable[[], Awaitable[object]]) -> None:
    """A version is known to every part of the server a moment after its worker has come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await ask()
        except* (RPCError, EngineUnavailable, clocks.ClockLeftBehind):
            if time.monotonic() > deadline:
                raise
        else:
            break
        await asyncio.sleep(0.2)


# --- the story -------------------------------------------------------------------------------------------------------


class Rainbow:
    def __init__(self, engine: Engine, stack: Stack, say: Say) -> None:
        self._engine, self._stack, self._say = engine, stack, say
        self._deployment = Deployment(engine)
        self._workers: dict[str, ChildProcess] = {}
        self._ids: list[str] = []
        self._clock = ""
        self._month = 1

    async def tell(self, count: int) -> list[str]:
        """What went wrong: nothing, if versions can be changed like this."""
        try:
            return await self._tell(count)
        finally:
            for worker in self._workers.values():
                await asyncio.to_thread(worker.stop)

    async def _tell(self, count: int) -> list[str]:
        self._clock = (await clocks.create(self._engine, name="rainbow", now=BEGIN)).id
        await self._start("v1")
        await self._deployment.promote("v1")
        await self._subscribe(count)
        await self._pass_a_month("v1 alone")

        await self._start("v2")
        await self._deployment.ramp("v2", RAMP_PERCENT)
        await self._subscribe(count)
        await self._pass_a_month(f"v2 beside it, {RAMP_PERCENT:g} % of the work")

        await self._deployment.promote("v2")
        await self._subscribe(count)
        await self._pass_a_month("v2 is current, v1 still runs")

        await asyncio.to_thread(self._workers.pop("v1").stop)
        await self._subscribe(count)
        await self._pass_a_month("v1 is gone")
        await self._pass_a_month("and another month")
        return await self._wrong()

    async def _start(self, build: str) -> None:
        command = [sys.executable, THIS, "--work-as", build]
        version = {f"{PREFIX}DEPLOYMENT_NAME": DEPLOYMENT, f"{PREFIX}BUILD_ID": build}
        log = self._stack.folder.path / f"worker-{build}.log"
        worker = ChildProcess(build, command, env=os.environ | self._stack.environment() | version, log_path=log)
        worker.start()
        self._workers[build] = worker

        async def seen() -> None:
            if build not in await self._deployment.builds():
                raise RPCError(f"{build} has not come yet", None, b"")  # type: ignore[arg-type]

        await patiently(seen)

    async def _subscribe(self, count: int) -> None:
        for _ in range(count):
            owner = await customers.create(self._engine, name="Ada", email="ada@example.com", timezone="UTC")
            await customers.attach_payment_method(self._engine, owner.id, "pm_card_visa")
            new = NewSubscription(customer_id=owner.id, plan="basic-monthly", currency="USD", test_clock_id=self._clock)
            self._ids.append((await subscriptions.create(self._engine, new)).id)

    async def _pass_a_month(self, stage: str) -> None:
        begun = time.monotonic()
        self._month += 1
        to = datetime(2026, self._month, 28, 12, tzinfo=UTC)
        # A run that is just moving to another version may keep a question waiting; asking again is harmless.
        await patiently(lambda: clocks.advance(self._engine, self._clock, to=to))
        places = await self._places()
        told = ", ".join(f"{count} {where}" for where, count in sorted(places.items()))
        self._say(f"{stage}: {len(self._ids)} subscriptions: {told} ({time.monotonic() - begun:.1f} s)")

    async def _places(self) -> Counter[str]:
        """On which version each run was last worked at, and whether it bears v2's mark."""
        found: Counter[str] = Counter()
        for one in self._ids:
            run = await self._engine.temporal.get_workflow_handle(one).describe()
            build = run.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id
            marked = MARK in await run.memo()
            found[f"on {build}{' with its mark' if marked else ''}"] += 1
        return found

    async def _wrong(self) -> list[str]:
        """Every subscription has been billed once for each month since it began, and charged once for each bill."""

        def look() -> list[str]:
            with self._engine.db.connect() as connection:
                bills = Counter(connection.scalars(text("SELECT subscription_id FROM invoices WHERE status = 'paid'")))
                periods = connection.execute(text("SELECT subscription_id, period_no FROM invoices")).all()
                late = connection.scalars(text("SELECT key FROM invoices WHERE issued_at <> period_start")).all()
            captures = Counter(one.charge_key.split(":")[2] for one in witness(self._engine.db).captures)
            group = len(self._ids) // 4
            wrong = [f"{key}: issued late" for key in late]
            wrong += [f"{one}: billed twice" for one, count in Counter(periods).items() if count > 1]
            for place, one in enumerate(self._ids):
                months = 6 - place // group - (place < group)  # the first group has no bill of its own for February
                if (bills[one], captures[one]) != (months, months):
                    wrong.append(f"{one}: {bills[one]} bills, {captures[one]} charges, {months} months")
            return wrong

        wrong = await asyncio.to_thread(look)
        self._say(f"{len(witness(self._engine.db).captures)} charges; {'; '.join(wrong) or 'each month of each once'}")
        return wrong


async def rainbow(stack: Stack, count: int, say: Say) -> list[str]:
    upgrade(stack.database_url)
    engine = await open_engine(stack.settings(), lazy=False)
    prepare_gateway(engine.gateway)
    await demo_catalog.seed(engine)
    try:
        return await Rainbow(engine, stack, say).tell(count)
    finally:
        engine.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--subscriptions", type=int, default=40, help="so many, a quarter of them at each stage")
    parser.add_argument("--work-as", choices=("v1", "v2", "careless"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work_as:
        if given.work_as != "v1":
            next_release(given.work_as)
        run_worker(load_settings())
        return 0
    with Stack.throw_away() as stack:
        wrong = asyncio.run(rainbow(stack, max(given.subscriptions // 4, 1), lambda line: print(line, flush=True)))  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the Temporal SDK can abort while the interpreter tidies up
