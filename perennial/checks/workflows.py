"""Rows and workflows: each live row has its running workflow and the other way round."""

import asyncio
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.orm import Session
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode

from perennial.checks.result import EVERYTHING, Finding, Outcome, Slice, outcome, sliced
from perennial.contracts.workflows import GIFT, INVOICE, SUBSCRIPTION
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call

NO_WORKFLOW = "it lives, but no workflow runs for it"
NO_ROW = "its workflow runs, but no row lives"
# Visibility lags a little behind; what it says is missing is asked for by name, so many at a time and so many at most.
_WIDTH = 20
_ASKED_AT_MOST = 500
_PAGE = 1_000
# The SDK cannot read the status of a run that was paused in Temporal's own UI, so the raw call is used.
_RUNNING = f"WorkflowType IN ('{SUBSCRIPTION}', '{GIFT}', '{INVOICE}') AND ExecutionStatus IN ('Running', 'Paused')"
OPEN_STATUSES = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
}

_LIVE = sliced(
    """
SELECT id FROM subscriptions WHERE ended_at IS NULL AND WITHIN(id)
UNION ALL
SELECT id FROM gifts WHERE status IN ('pending', 'scheduled', 'delivered') AND WITHIN(id)
UNION ALL
SELECT id FROM plan_migrations WHERE status = 'running' AND WITHIN(id)
UNION ALL
SELECT DISTINCT migration_id FROM plan_migration_items WHERE status = 'pending' AND WITHIN(migration_id)
UNION ALL
SELECT id FROM batch_resets WHERE status IN ('looking', 'resetting') AND WITHIN(id)
UNION ALL
SELECT id FROM invoice_drafts WHERE status = 'finalised' AND WITHIN(id)
"""
)
_STILL_LIVE = text(
    """
SELECT id FROM subscriptions WHERE ended_at IS NULL AND id = ANY(:ids)
UNION ALL
SELECT id FROM gifts WHERE status IN ('pending', 'scheduled', 'delivered') AND id = ANY(:ids)
UNION ALL
SELECT id FROM plan_migrations WHERE status = 'running' AND id = ANY(:ids)
UNION ALL
SELECT DISTINCT migration_id FROM plan_migration_items WHERE status = 'pending' AND migration_id = ANY(:ids)
UNION ALL
SELECT id FROM batch_resets WHERE status IN ('looking', 'resetting') AND id = ANY(:ids)
UNION ALL
SELECT id FROM invoice_drafts WHERE status = 'finalised' AND id = ANY(:ids)
"""
)


async def rows_match_workflows(engine: Engine, part: Slice) -> Outcome:
    """Every live subscription, gift, invoice, plan migration and batch of resets has its running workflow, and back.

    A canceled batch may turn one last page: its workflow is not asked for a row. A canceled migration lives as long as
    it waits for an answer.
    """
    running = await running_workflows(engine, part)
    live = await engine.read(lambda session: _live(session, part))
    findings = [
        *[Finding(one, NO_WORKFLOW) for one in await _not_running(engine, live - running)],
        *[Finding(one, NO_ROW) for one in await _not_live(engine, running - live)],
    ]
    return outcome(f"{len(live)} live rows, {len(running)} running workflows", findings)


async def running_workflows(engine: Engine, part: Slice = EVERYTHING) -> set[str]:
    """Ids, as visibility has them.

    Raises:
        EngineUnavailable: Temporal is away.
    """
    found: set[str] = set()
    token = b""
    while True:
        page = await temporal_call(
            engine.temporal.workflow_service.list_workflow_executions(
                ListWorkflowExecutionsRequest(
                    namespace=engine.temporal.namespace, page_size=_PAGE, next_page_token=token, query=_query(part)
                ),
                timeout=RPC_TIMEOUT,
            )
        )
        found.update(info.execution.workflow_id for info in page.executions)
        token = page.next_page_token
        if not token:
            return found


def _query(part: Slice) -> str:
    """Where the visibility store sorts ids otherwise than PostgreSQL, more is asked for by name; nothing is missed."""
    bounds = ((">", part.after), ("<=", part.until))
    return " AND ".join([_RUNNING, *(f"WorkflowId {sign} '{end}'" for sign, end in bounds if end is not None)])


async def is_running(engine: Engine, workflow_id: str) -> bool:
    """Asked of the workflow itself."""
    request = DescribeWorkflowExecutionRequest(
        namespace=engine.temporal.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    try:
        description = await temporal_call(
            engine.temporal.workflow_service.describe_workflow_execution(request, timeout=RPC_TIMEOUT)
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return description.workflow_execution_info.status in OPEN_STATUSES


async def _not_running(engine: Engine, ids: set[str]) -> list[str]:
    """Those of live rows that have no running workflow; a row may have ended while we looked."""
    running = await _ask(engine, ids)
    suspects = ids - running
    if not suspects:
        return []
    return sorted(await engine.read(lambda session: _still_live(session, suspects)))


async def _not_live(engine: Engine, ids: set[str]) -> list[str]:
    """Those running without a live row. A row may just have been committed; a run may just be ending."""
    if not ids:
        return []
    suspects = ids - await engine.read(lambda session: _still_live(session, ids))
    return sorted(await _ask(engine, suspects) | set(sorted(suspects)[_ASKED_AT_MOST:]))


async def _ask(engine: Engine, ids: Iterable[str]) -> set[str]:
    """Which of these run; only the first ones are asked."""
    width = asyncio.Semaphore(_WIDTH)

    async def ask(workflow_id: str) -> str | None:
        async with width:
            return workflow_id if await is_running(engine, workflow_id) else None

    answers = await asyncio.gather(*(ask(one) for one in sorted(ids)[:_ASKED_AT_MOST]))
    return {one for one in answers if one}


def _live(session: Session, part: Slice) -> set[str]:
    return set(session.scalars(_LIVE, {"after": part.after, "until": part.until}))


def _still_live(session: Session, ids: set[str]) -> set[str]:
    return set(session.scalars(_STILL_LIVE, {"ids": list(ids)}))
