"""What the Temporal UI shows of a run when it is opened."""

from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.support.stage import Stage


async def details(stage: Stage, workflow_id: str) -> str:
    answer = await stage.handle(workflow_id).query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(answer.current_details)
