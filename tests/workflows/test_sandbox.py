"""What the sandbox is for: code that decides must not look at the world."""

import asyncio
import warnings
from dataclasses import replace
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError, UnfinishedUpdateHandlersWarning

from perennial.domain.subscription import State, act, next_due
from perennial.engine.context import Engine
from tests.support.stage import Stage
from tests.workflows.careless import Careless
from tests.workflows.plain_domain import Peeking, PlainDomain

# All of the sandbox but one rule: it wraps `zoneinfo.ZoneInfo`, and then `datetime` does not take it for a time zone.
_MEMBERS = SandboxRestrictions.invalid_module_members_default
_CHILDREN = {name: rule for name, rule in _MEMBERS.children.items() if name != "zoneinfo"}
RESTRICTIONS = replace(SandboxRestrictions.default, invalid_module_members=replace(_MEMBERS, children=_CHILDREN))


async def test_the_domain_decides_in_the_sandbox_without_being_passed_through(stage: Stage, sandboxed: Engine) -> None:
    sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"), timezone="America/New_York")
    state = await stage.state(sub)
    client, queue = sandboxed.temporal, "plain-domain"
    async with Worker(
        client, task_queue=queue, workflows=[PlainDomain], workflow_runner=SandboxedWorkflowRunner(RESTRICTIONS)
    ):
        started = client.execute_workflow(PlainDomain.run, state, id=f"plain-{uuid4()}", task_queue=queue)
        copy, year, end = await asyncio.wait_for(started, 20)
    assert copy != id(State), "the module was passed through after all"
    outside = state
    for _ in range(12):
        due = next_due(outside)
        assert due is not None
        outside = act(outside, due).state
    assert year == outside
    assert end.cancellation is not None
    assert end.cancellation.at == outside.period.end


async def test_the_sandbox_catches_a_look_at_the_clock(sandboxed: Engine) -> None:
    client, queue = sandboxed.temporal, "peeking"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Peeking],
        workflow_runner=SandboxedWorkflowRunner(RESTRICTIONS),
        workflow_failure_exception_types=[NondeterminismError],
    ):
        with pytest.raises(WorkflowFailureError) as caught:
            await client.execute_workflow(Peeking.run, id=f"peeking-{uuid4()}", task_queue=queue)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "RestrictedWorkflowAccessError"


async def test_a_workflow_that_forgets_a_caller_is_noticed(sandboxed: Engine) -> None:
    """The alarm that the other tests rely on: warnings are errors here."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        handle = await sandboxed.temporal.start_workflow(
            Careless.run, id=f"careless-{uuid4()}", task_queue=sandboxed.settings.task_queue
        )
        with pytest.raises((WorkflowUpdateFailedError, WorkflowFailureError, RPCError)):
            await handle.execute_update(Careless.wait)
        await handle.result()
    assert [warning.category for warning in told] == [UnfinishedUpdateHandlersWarning]
