"""Which request and which run a line of the log belongs to; and errors that may leave a worker.

A request id travels from the API in the header of a start, an update or a signal: it stands in the history, and the
worker says in its log which run has taken the request up. It decides nothing, so histories replay without it.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

REQUEST_ID = "request-id"
Headers = Mapping[str, Payload]


class Correlation(client.Interceptor, worker.Interceptor):
    """One for both: a worker takes along the interceptors of its client."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        return _Outgoing(next)

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Activity(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: ARG002 - the SDK's signature
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _Workflow


class _Outgoing(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        input.headers = _named(input.headers)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        input.headers = _named(input.headers)
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        input.headers = _named(input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        input.start_workflow_input.headers = _named(input.start_workflow_input.headers)
        input.update_workflow_input.headers = _named(input.update_workflow_input.headers)
        return await super().start_update_with_start_workflow(input)


class _Activity(worker.ActivityInboundInterceptor):
    """Every line within says the run, the activity and the attempt."""

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info = activity.info()
        names = {"workflow_id": info.workflow_id, "run_id": info.workflow_run_id}
        with structlog.contextvars.bound_contextvars(**names, activity=info.activity_type, attempt=info.attempt):
            try:
                return await super().execute_activity(input)
            except DBAPIError as error:
                raise _presentable(error) from None


class _Workflow(worker.WorkflowInboundInterceptor):
    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        _say("signal_taken_up", input.signal, input.headers)
        await super().handle_signal(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        _say("update_taken_up", input.update, input.headers)
        return await super().handle_update_handler(input)


def _named(headers: Headers) -> Headers:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is None:
        return headers
    return {**headers, REQUEST_ID: PayloadConverter.default.to_payload(request_id)}


def _say(event: str, name: str, headers: Headers) -> None:
    """Not while replaying: the SDK's logger sees to that."""
    sent = headers.get(REQUEST_ID)
    request_id = PayloadConverter.default.from_payload(sent) if sent else None
    workflow.logger.info(event, extra={"command": name, "request_id": request_id})


def _presentable(error: DBAPIError) -> ApplicationError:
    """A database's error for the history: its first line. The lines after it quote the row, and so people."""
    words = str(error.orig).strip().splitlines()
    return ApplicationError(words[0] if words else "no reason given", type=type(error).__name__)
