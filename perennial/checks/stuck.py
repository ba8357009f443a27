"""What does not move although it should: overdue rows, and activities that fail again and again, with their cause."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse
from temporalio.service import RPCError, RPCStatusCode

from perennial.checks.walk import lateness
from perennial.checks.workflows import OPEN_STATUSES, running_workflows
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.temporal.converter import readable

_WIDTH = 20
# As many are looked into; who has more of them looks at one and finds the cause of all.
ASKED_AT_MOST = 200
_LONGEST_CAUSE = 300

# Overdue by their own clock, never begun, or with a payment or refund in the air.
_SUSPECTS = text(
    """
WITH lives AS (
    SELECT s.id, s.status, s.next_due_kind AS due_kind, s.next_due_at AS due_at, s.step, s.created_at,
           coalesce(c.now, :late) AS reached
    FROM subscriptions s LEFT JOIN test_clocks c ON c.id = s.test_clock_id WHERE s.ended_at IS NULL
    UNION ALL
    SELECT g.id, g.status, g.state ->> 'status', g.next_due_at, g.step, g.created_at, coalesce(c.now, :late)
    FROM gifts g LEFT JOIN test_clocks c ON c.id = g.test_clock_id WHERE g.next_due_at IS NOT NULL
    UNION ALL
    SELECT d.id, d.status, 'payment_overdue', d.next_due_at, d.step, d.finalised_at, coalesce(c.now, :late)
    FROM invoice_drafts d LEFT JOIN test_clocks c ON c.id = d.test_clock_id WHERE d.status = 'finalised'
), in_the_air AS (
    SELECT coalesce(i.subscription_id, i.gift_id, i.id) AS id FROM payment_attempts a
    JOIN invoices i ON i.id = a.invoice_id WHERE a.status = 'pending'
    UNION
    SELECT coalesce(i.subscription_id, i.gift_id) FROM refunds r JOIN payment_attempts a ON a.id = r.attempt_id
    JOIN invoices i ON i.id = a.invoice_id WHERE r.status = 'pending'
)
SELECT l.id, l.status, l.due_kind, l.due_at, l.reached, (l.due_at <= l.reached) IS TRUE AS overdue,
       l.step = 0 AND l.created_at < l.reached AS never_begun
FROM lives l
WHERE l.due_at <= l.reached OR (l.step = 0 AND l.created_at < l.reached) OR l.id = ANY(:silent)
   OR l.id IN (SELECT id FROM in_the_air)
UNION ALL
SELECT a.id, s.status, NULL, NULL, s.ended_at, FALSE, FALSE
FROM in_the_air a JOIN subscriptions s ON s.id = a.id WHERE s.ended_at IS NOT NULL
UNION ALL
-- Issued by a workflow of its own, unlike that of a gift that was canceled.
SELECT n.id, 'issued', NULL, NULL, n.issued_at, FALSE, FALSE
FROM credit_notes n WHERE n.subscription_id IS NULL AND n.reason <> 'gift_canceled'
  AND EXISTS (SELECT FROM refunds r WHERE r.credit_note_id = n.id AND r.status = 'pending')
UNION ALL
SELECT m.id, m.status, NULL, NULL, m.created_at, FALSE, FALSE FROM plan_migrations m WHERE m.status = 'running'
ORDER BY 4 NULLS LAST, 1
"""
)
_LIVE = text(
    "SELECT id FROM subscriptions WHERE ended_at IS NULL "
    "UNION ALL SELECT id FROM invoice_drafts WHERE status = 'finalised'"
)


@dataclass(frozen=True, slots=True)
class Failing:
    """An activity that is tried again and again; `next_try_at` None: it is being tried."""

    activity_id: str
    activity: str
    attempt: int
    cause: str
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """`late` is by how much (domain time), None when nothing is overdue; `cause` is the best that is known."""

    id: str
    status: str
    due_kind: str | None
    due_at: datetime | None
    late: timedelta | None
    cause: str
    failing: tuple[Failing, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What Temporal says of a workflow now. `running`: activities that are being executed at this moment."""

    is_running: bool
    failing: tuple[Failing, ...]
    task_attempts: int
    running: tuple[str, ...] = ()


async def find_stuck(engine: Engine) -> list[Stuck]:
    """Most overdue first.

    Raises:
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    running = await running_workflows(engine)
    live = await engine.read(lambda session: set(session.scalars(_LIVE)))
    silent = sorted(live - running)[:ASKED_AT_MOST]
    suspects = await engine.read(lambda session: _suspects(session, engine, silent))
    width = asyncio.Semaphore(_WIDTH)

    async def ask(suspect: Stuck) -> Stuck | None:
        async with width:
            return _diagnosed(suspect, await look_at(engine, suspect.id))

    answers = await asyncio.gather(*(ask(suspect) for suspect in suspects[:ASKED_AT_MOST]))
    return [answer for answer in answers if answer]


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


def _suspects(session: Session, engine: Engine, silent: list[str]) -> list[Stuck]:
    late = engine.clock() - lateness(engine)
    return [
        Stuck(
            id=row.id,
            status=row.status,
            due_kind=row.due_kind,
            due_at=row.due_at,
            late=row.reached - row.due_at if row.overdue else None,
            cause="it has not begun" if row.never_begun else "",
        )
        for row in session.execute(_SUSPECTS, {"late": late, "silent": silent})
    ]


def _diagnosed(suspect: Stuck, run: Run) -> Stuck | None:
    """None when it turns out to be at work."""
    if not run.is_running:
        ended = suspect.due_at is None and suspect.status in ("canceled", "expired", "issued")
        cause = "a refund waits, but its workflow has ended" if ended else "no workflow runs for it"
    elif run.failing:
        worst = max(run.failing, key=lambda failing: failing.attempt)
        cause = f"{worst.activity} fails (attempt {worst.attempt}): {worst.cause}"
    elif run.task_attempts > 1:
        cause = f"its workflow task fails (attempt {run.task_attempts}): see the run in the Temporal UI"
    elif suspect.late is not None or suspect.cause:
        cause = suspect.cause or "nothing fails: no worker is there, or it was not woken"
    else:
        return None
    return Stuck(suspect.id, suspect.status, suspect.due_kind, suspect.due_at, suspect.late, cause, failing=run.failing)


def _run_of(answer: DescribeWorkflowExecutionResponse) -> Run:
    failing = tuple(_failing(activity) for activity in answer.pending_activities if activity.HasField("last_failure"))
    is_running = answer.workflow_execution_info.status in OPEN_STATUSES
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    running = tuple(each.activity_type.name for each in answer.pending_activities if each.state == started)
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
