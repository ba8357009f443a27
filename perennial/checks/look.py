"""What Temporal says of a workflow now: whether it runs, which activities fail, why its code cannot go on."""

from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse
from temporalio.service import RPCError, RPCStatusCode

from perennial.checks.workflows import OPEN_STATUSES
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.temporal.converter import readable

_LONGEST_CAUSE = 300


@dataclass(frozen=True, slots=True)
class Failing:
    """An activity that is tried again and again; `next_try_at` None: it is being tried."""

    activity_id: str
    activity: str
    attempt: int
    cause: str
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """What Temporal says of a workflow now. `running`: activities that are being executed at this moment."""

    is_running: bool
    failing: tuple[Failing, ...]
    task_attempts: int
    running: tuple[str, ...] = ()


async def look_at(engine: Engine, workflow_id: str) -> Run:
    """The run of a workflow, with the activities that fail."""
    request = DescribeWorkflowExecutionRequest(
        namespace=engine.temporal.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    try:
        answer = await temporal_call(
            engine.temporal.workflow_service.describe_workflow_execution(request, timeout=RPC_TIMEOUT)
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Run(is_running=False, failing=(), task_attempts=0)
    for activity in answer.pending_activities:
        if activity.HasField("last_failure"):
            activity.last_failure.CopyFrom(await readable(engine.temporal.data_converter, activity.last_failure))
    return _run_of(answer)


async def task_failure(engine: Engine, workflow_id: str) -> str:
    """Why the code could not go on, as the newest run has it; empty when no workflow task of it has failed.

    Only the first failure in a row is in the history: the ones after it are the same.
    """
    events = (await temporal_call(engine.temporal.get_workflow_handle(workflow_id).fetch_history())).events
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    failures = [event.workflow_task_failed_event_attributes for event in events if event.event_type == failed]
    if not failures:
        return ""
    return _cause(await readable(engine.temporal.data_converter, failures[-1].failure))


def _run_of(answer: DescribeWorkflowExecutionResponse) -> Run:
    is_running = answer.workflow_execution_info.status in OPEN_STATUSES
    # Of a run that was terminated Temporal goes on telling what it was doing, and lets nobody try it.
    pending = answer.pending_activities if is_running else ()
    failing = tuple(_failing(activity) for activity in pending if activity.HasField("last_failure"))
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    running = tuple(each.activity_type.name for each in pending if each.state == started)
    return Run(is_running, failing, answer.pending_workflow_task.attempt, running)


def _failing(activity: PendingActivityInfo) -> Failing:
    next_try = activity.next_attempt_schedule_time
    return Failing(
        activity_id=activity.activity_id,
        activity=activity.activity_type.name,
        attempt=activity.attempt,
        cause=_cause(activity.last_failure),
        next_try_at=next_try.ToDatetime(tzinfo=UTC) if next_try.seconds else None,
    )


def _cause(failure: Failure) -> str:
    """The innermost failure: what went wrong first."""
    while failure.HasField("cause"):
        failure = failure.cause
    kind = failure.application_failure_info.type if failure.HasField("application_failure_info") else ""
    words = " ".join(failure.message.split()) or "no reason given"
    return f"{kind}: {words}"[:_LONGEST_CAUSE] if kind else words[:_LONGEST_CAUSE]
