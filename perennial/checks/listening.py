"""The ears of a replay: what the code of today asks for, and what it raises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

_SDK_LOG = logging.getLogger("temporalio.worker._workflow_instance")


@dataclass(frozen=True, slots=True)
class Raised:
    """What the code of today raised, and how far the history had been told by then."""

    event: int
    error: Exception


@dataclass
class Listener(Interceptor):
    """Hears what activities the code of today asks for, and what it raises."""

    heard: list[StartActivityInput] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)

    def clear(self) -> None:
        self.heard.clear()
        self.raised.clear()

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: ARG002 - the SDK's signature
        heard, raised = self.heard, self.raised

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
                heard.append(input)
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                try:
                    return await super().execute_workflow(input)
                except FailureError:
                    raise  # an end of a workflow, which the history has too
                except Exception as error:
                    raised.append(Raised(workflow.info().get_current_history_length(), error))
                    raise

        return Inbound


@contextmanager
def silence() -> Iterator[None]:
    """Code that raises in a replay concerns who asked for it: no log of a worker, no alert."""

    def is_told(record: logging.LogRecord) -> bool:
        return getattr(record, "__temporal_error_identifier", "") != "WorkflowTaskFailure"

    _SDK_LOG.addFilter(is_told)
    try:
        yield
    finally:
        _SDK_LOG.removeFilter(is_told)
