"""What workflows have had done since an instant: the histories are the log from which lost rows are written again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from perennial.contracts.workflows import CREDIT_NOTE, GIFT, INVOICE, SUBSCRIPTION
from perennial.engine.context import Engine, list_runs, temporal_call

_SINCE = (
    f"WorkflowType IN ('{SUBSCRIPTION}', '{GIFT}', '{INVOICE}', '{CREDIT_NOTE}') AND "
    "TaskQueue = '{queue}' AND (ExecutionStatus IN ('Running', 'Paused') OR CloseTime >= '{since:%Y-%m-%dT%H:%M:%SZ}')"
)


HEARD_OF_DISPUTE = "dispute_event"


@dataclass(frozen=True, slots=True)
class Done:
    """An activity that was completed: of whom, when (UTC), what it was handed and what it answered, still encoded.

    Or that a subscription heard of a dispute: the signal stands in the place of the activity.
    """

    at: datetime
    subject: str
    run_id: str
    event: int
    activity: str
    given: tuple[Any, ...]
    answered: tuple[Any, ...]

    @property
    def order(self) -> tuple[datetime, str, int]:
        return self.at, self.subject, self.event


async def done_since(engine: Engine, since: datetime) -> list[Done]:
    """Every completed activity of subscriptions, gifts, one-off invoices and credit notes, in the order of their ends.

    Temporal keeps closed runs for its retention (30 days): what lies further back is not found.

    Raises:
        EngineUnavailable: Temporal is away.
    """
    found: list[Done] = []
    async for history in _histories(engine, since):
        found += [one for one in _completed(history) if one.at >= since]
    return sorted(found, key=lambda one: one.order)


async def _histories(engine: Engine, since: datetime) -> AsyncIterator[WorkflowHistory]:
    query = _SINCE.format(since=since.astimezone(UTC), queue=engine.settings.task_queue)
    async for run in list_runs(engine, query):
        handle = engine.temporal.get_workflow_handle(run.id, run_id=run.run_id)
        yield await temporal_call(handle.fetch_history())


def _completed(history: WorkflowHistory) -> list[Done]:
    scheduled: dict[int, HistoryEvent] = {}
    found = []
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled[event.event_id] = event
        elif event.workflow_execution_signaled_event_attributes.signal_name == HEARD_OF_DISPUTE:
            said = event.workflow_execution_signaled_event_attributes
            found.append(_heard(history, event, tuple(said.input.payloads)))
        elif event.HasField("activity_task_completed_event_attributes"):
            result = event.activity_task_completed_event_attributes
            task = scheduled[result.scheduled_event_id].activity_task_scheduled_event_attributes
            found.append(
                Done(
                    at=event.event_time.ToDatetime(tzinfo=UTC),
                    subject=history.workflow_id,
                    run_id=history.run_id,
                    event=event.event_id,
                    activity=task.activity_type.name,
                    given=tuple(task.input.payloads),
                    answered=tuple(result.result.payloads),
                )
            )
    return found


def _heard(history: WorkflowHistory, event: HistoryEvent, given: tuple[Any, ...]) -> Done:
    at = event.event_time.ToDatetime(tzinfo=UTC)
    return Done(at, history.workflow_id, history.run_id, event.event_id, HEARD_OF_DISPUTE, given, ())
