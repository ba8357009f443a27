"""Starting subscription workflows and talking to them, repairing what is missing on the way."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import timedelta

from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from perennial.contracts.views import SubscriptionView, view_of
from perennial.contracts.workflows import AFTER_RUN, SUBSCRIPTION, SubscriptionInput
from perennial.db.models import Subscription, TestClock
from perennial.db.repositories import records
from perennial.domain.errors import CommandRefused, EngineUnavailable, PerennialError, SubscriptionEnded
from perennial.domain.money import Money
from perennial.domain.subscription import State
from perennial.domain.subscription.commands import Command
from perennial.domain.subscription.decide import may_be_asked
from perennial.engine.context import RPC_TIMEOUT, Engine, start_workflow, temporal_call
from perennial.temporal.search_attributes import attributes_of

ANSWER_TIMEOUT_SECONDS = 10.0


class RefusedBySubscription(CommandRefused):
    """What the workflow refused; `code`, message and `field` are those of the domain error that it raised."""

    def __init__(self, subscription: str, code: str, message: str, field: str | None = None) -> None:
        super().__init__(subscription, message)
        self.field = field
        self.code = code  # type: ignore[misc]  # the class's default gives way to the workflow's word


class CommandPending(PerennialError):
    """Accepted and durable, but its effects are still running; `view` is how things stand."""

    code = "command_pending"

    def __init__(self, view: SubscriptionView) -> None:
        super().__init__("the command is accepted and being carried out")
        self.view = view


def summary_of(state: State) -> str:
    price = Money(state.full_amount, state.currency)
    return f"{state.terms.name} x {state.quantity} · {price} / {state.terms.interval}"


async def start(engine: Engine, state: State, memo: Mapping[str, str] | None = None) -> None:
    """Start the workflow of a subscription; one that runs is left alone."""
    start, summary = SubscriptionInput(state), summary_of(state)
    await start_workflow(engine, SUBSCRIPTION, start, state.id, summary, attributes_of(state), memo=memo)


async def repair(engine: Engine, row: Subscription) -> None:
    """Start the workflow again whose row lives, from the state that was recorded last."""
    await start(engine, await revived(engine, row), _after(row))


def _after(row: Subscription) -> Mapping[str, str]:
    """Temporal does not connect the runs of a workflow that has ended and was started again."""
    return {AFTER_RUN: row.run_id}


async def revived(engine: Engine, row: Subscription) -> State:
    """The recorded state for a new run. A new run has not skipped any time, so a test clock's offset is taken anew."""
    state = records.load_state(row.state)
    if row.test_clock_id is None:
        return state
    clock = await engine.read(lambda session: session.get_one(TestClock, row.test_clock_id))
    return replace(state, clock_offset=max(clock.now, state.as_of) - engine.clock())


async def update(engine: Engine, row: Subscription, name: str, command: Command) -> SubscriptionView:
    """See `perennial.engine.subscriptions.command`."""
    handle = engine.temporal.get_workflow_handle(row.id)
    try:
        sent = await _accepted(
            handle.start_update(
                name,
                command,
                id=command.request_id,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                result_type=SubscriptionView,
                rpc_timeout=RPC_TIMEOUT,
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        sent = await _revive(engine, row, name, command)
    return await _answer(engine, row, sent)


async def _revive(
    engine: Engine, row: Subscription, name: str, command: Command
) -> WorkflowUpdateHandle[SubscriptionView]:
    """No workflow runs: an ended subscription can be reactivated, one whose row lives is repaired."""
    # As it is now: what ran when the caller looked may have ended since, and must not be started from what it was.
    row = await engine.read(lambda session: session.get_one(Subscription, row.id))
    state = await revived(engine, row)
    if not may_be_asked(state, command):
        raise SubscriptionEnded(row.id, row.status)
    operation: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
        SUBSCRIPTION,
        SubscriptionInput(state),
        id=state.id,
        task_queue=engine.settings.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=attributes_of(state),
        static_summary=summary_of(state),
        memo=_after(row),
    )
    return await _accepted(
        engine.temporal.start_update_with_start_workflow(
            name,
            command,
            id=command.request_id,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            start_workflow_operation=operation,
            result_type=SubscriptionView,
            rpc_timeout=RPC_TIMEOUT,
        )
    )


async def _accepted(call: Awaitable[WorkflowUpdateHandle[SubscriptionView]]) -> WorkflowUpdateHandle[SubscriptionView]:
    """Within the time of one call: what Temporal answers with "not yet" the SDK asks again, each time anew."""
    try:
        async with asyncio.timeout(RPC_TIMEOUT.total_seconds()):
            return await temporal_call(call)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        message = "no worker answers, or the code cannot go on with this subscription"
        raise EngineUnavailable(message) from error


async def _answer(engine: Engine, row: Subscription, sent: WorkflowUpdateHandle[SubscriptionView]) -> SubscriptionView:
    try:
        return await asyncio.wait_for(
            sent.result(rpc_timeout=timedelta(seconds=ANSWER_TIMEOUT_SECONDS)), ANSWER_TIMEOUT_SECONDS
        )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type:
            field = cause.details[0] if cause.details else None
            raise RefusedBySubscription(row.id, cause.type, cause.message, field) from error
        raise
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        fresh = await engine.read(lambda session: session.get_one(Subscription, row.id))
        raise CommandPending(view_of(records.load_state(fresh.state))) from None
