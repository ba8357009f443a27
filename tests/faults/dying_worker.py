"""A worker that kills itself (SIGKILL) at a chosen step of a chosen subscription, once. For tests alone.

`python dying_worker.py PLAN MARKS`: PLAN is a JSON file {subscription: "activity/step"}, MARKS a folder in which a file
is made before the kill, so that the next worker lets the subscription pass. This process starts one worker after the
other; they are forks of it, for importing everything again would take a second each time.

Steps: `started` (before the first transaction), `commit 1` and `committed 1` (around the first one), `ask` and `asked`
(around the gateway's charge or refund; after `asked` the money has moved and nobody knows), `commit 2`, `committed 2`,
`done` (all is written, Temporal is not answered), `told` (Temporal is answered, the workflow task is not). A batch of
resets dies at `turn_page_of_resets/reset`: one has been reset, and that is not yet written down.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

import worker
from perennial.config import load_settings
from perennial.engine.context import Engine, open_engine
from perennial.stack.process import PR_SET_PDEATHSIG
from perennial.support import batch
from workflows.subscription import SubscriptionWorkflow


class Fate:
    """Who dies where. `mark` is atomic between processes."""

    def __init__(self, plan: dict[str, str], marks: Path) -> None:
        self._plan = plan
        self._marks = marks

    def step(self, subscription: str, name: str) -> None:
        if self._plan.get(subscription) != name:
            return
        try:
            os.close(os.open(self._marks / subscription, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def activity_step(self, name: str) -> None:
        if activity.in_activity():
            info = activity.info()
            self.step(info.workflow_id or "", f"{info.activity_type}/{name}")


class MortalGateway:
    def __init__(self, gateway: Any, fate: Fate) -> None:
        self._gateway = gateway
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        return self._mortal(found) if name in ("charge", "refund") else found

    def _mortal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def around(request: Any) -> Any:
            self._fate.activity_step("ask")
            answer = call(request)
            self._fate.activity_step("asked")
            return answer

        return around


class MortalActivities(ClientInterceptor, Interceptor):
    """A worker takes the interceptors of its client along."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _MortalActivity(next, self._fate)


class _MortalActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, fate: Fate) -> None:
        super().__init__(next)
        self._fate = fate

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self._fate.activity_step("started")
        answer = await super().execute_activity(input)
        self._fate.activity_step("done")
        return answer


def watch_commits(fate: Fate) -> None:
    """Counts the commits of each activity attempt: an attempt runs in one thread, from its first session on."""
    counts: dict[bytes, int] = {}

    def before(_session: Session) -> None:
        if activity.in_activity():
            token = activity.info().task_token
            counts[token] = counts.get(token, 0) + 1
            fate.activity_step(f"commit {counts[token]}")

    def after(_session: Session) -> None:
        if activity.in_activity():
            fate.activity_step(f"committed {counts[activity.info().task_token]}")

    event.listen(Session, "before_commit", before)
    event.listen(Session, "after_commit", after)


def watch_workflow(fate: Fate) -> None:
    """After an activity's answer has been taken in, and before the workflow task is completed."""
    original = SubscriptionWorkflow._rest

    def rest(self: SubscriptionWorkflow) -> None:
        original(self)
        if not workflow.unsafe.is_replaying():
            fate.step(workflow.info().workflow_id, "workflow/told")

    SubscriptionWorkflow._rest = rest  # type: ignore[method-assign]


def watch_resets(fate: Fate) -> None:
    original = batch.reset

    async def reset(*args: Any, **how: Any) -> Any:
        done = await original(*args, **how)
        fate.activity_step("reset")
        return done

    batch.reset = reset


async def main(fate: Fate) -> None:
    engine: Engine = await open_engine(load_settings(), lazy=False)
    config = engine.temporal.config() | {"interceptors": [MortalActivities(fate)]}
    mortal = replace(
        engine, temporal=Client(**config), gateways=engine.gateways.each(lambda one: MortalGateway(one, fate))
    )
    watch_commits(fate)
    watch_workflow(fate)
    watch_resets(fate)
    async with worker.build_worker(mortal):
        await asyncio.Event().wait()


def keep_one_alive(plan: Path, marks: Path) -> None:
    """Until a worker ends in another way than by its fate."""
    while True:
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            asyncio.run(main(Fate(json.loads(plan.read_text()), marks)))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit("a worker ended by itself")


if __name__ == "__main__":
    keep_one_alive(Path(sys.argv[1]), Path(sys.argv[2]))
