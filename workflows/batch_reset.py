"""One batch of resets: page after page, until everybody has had their turn.

Where it stands is in rows (`batch_reset_items`), so that a run may be killed, terminated or started again anywhere.
"""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.batch_resets import BatchResetActivities
    from perennial.contracts.workflows import BATCH_RESET, BatchResetInput
    from workflows.effects import RETRY
    from workflows.endurance import endure
    from workflows.signboard import board, page_of

# Twenty-five resets, five at a time, each of which is watched for half a minute at most.
PAGE_TIMEOUT = timedelta(minutes=10)
# A killed worker is noticed by the beats that do not come (one a second).
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
# Six events a page: far below what a history may hold, and few enough to be replayed at once.
PAGES_PER_RUN = 200


@workflow.defn(name=BATCH_RESET)
class BatchResetWorkflow:
    """See the module. Its id is that of the batch."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.signal
    def go_on(self) -> None:
        """It was let go, perhaps just when the last page of the look had been turned."""
        self._asked = True

    @workflow.run
    async def run(self, start: BatchResetInput) -> None:
        await endure(self._turn_pages(start))

    async def _turn_pages(self, start: BatchResetInput) -> None:
        for page in range(PAGES_PER_RUN):
            self._asked = False
            turned = await workflow.execute_activity_method(
                BatchResetActivities.turn_page,
                start.batch_id,
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary=f"page {page + 1}",
            )
            heading = f"**{turned.status}**: {turned.done} of {turned.total}"
            workflow.set_current_details(board(heading, [page_of("batch-resets", start.batch_id)]))
            if not turned.goes_on and not self._asked:
                return
        workflow.continue_as_new(start)
