"""Moving one workflow's clock forward: Temporal's native time skipping, the only module that knows it.

It is experimental. `temporal server start-dev` needs the flags of `perennial.stack.temporal`; production servers have
it switched off, and test clocks are refused there.
"""

import uuid
from datetime import UTC, datetime, timedelta

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import TimeSkippingConfig, WorkflowExecution
from temporalio.api.enums.v1 import time_skipping_pb2
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionTimeSkippingRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client

# The server stops skipping silently after this many skips in one session (its default is 200).
MAX_SKIPS = 100_000
_DONE = time_skipping_pb2.FastForwardPollingResult.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_COMPLETED
_FAILED = time_skipping_pb2.FastForwardPollingResult.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_FAILED


async def current_time(client: Client, workflow_id: str) -> datetime:
    """The workflow's own time (UTC): the machine's, plus what has been skipped."""
    description = await client.get_workflow_handle(workflow_id).describe()
    extended = description.raw_description.workflow_extended_info
    if not extended.HasField("time_skipping_info"):
        return datetime.now(UTC)
    return extended.time_skipping_info.current_time.ToDatetime(tzinfo=UTC)


async def fast_forward(client: Client, workflow_id: str, by: timedelta) -> bool:
    """Skip `by` and return when that time has come; False if the workflow ended (or was continued) before.

    The caller keeps to its law: never further than the workflow's next due instant, because a message that arrives
    during a long skip can make it jump over timers.
    """
    skip_id = str(uuid.uuid4())
    config = TimeSkippingConfig(enabled=True, max_session_skip_count=MAX_SKIPS)
    config.fast_forward_config.id = skip_id
    config.fast_forward_config.duration.FromTimedelta(by)
    await client.workflow_service.update_workflow_execution_options(
        UpdateWorkflowExecutionOptionsRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=config),
            update_mask=FieldMask(paths=["time_skipping_config"]),
            identity=client.identity,
        ),
        retry=True,
    )
    poll = PollWorkflowExecutionTimeSkippingRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        fast_forward_id=skip_id,
    )
    while True:
        answer = await client.workflow_service.poll_workflow_execution_time_skipping(poll, retry=True)
        if answer.fast_forward_polling_result == _DONE:
            return True
        if answer.fast_forward_polling_result == _FAILED:
            return False
