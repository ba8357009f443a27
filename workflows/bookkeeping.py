"""What is done once a day and belongs to nobody's subscription: months are closed, credit expires, old keys go,
holders of cards that expire are reminded, pending refunds are looked up.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.bookkeeping import BookkeepingActivities
    from activities.credits import RefundActivities
    from perennial.contracts.workflows import BOOKKEEPING, Kept

STEP_TIMEOUT = timedelta(minutes=10)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))


@workflow.defn(name=BOOKKEEPING)
class BookkeepingWorkflow:
    """Started by a schedule (`perennial.temporal.schedules`). Each step may be run again at any time."""

    @workflow.run
    async def run(self) -> Kept:
        """What has been done, in figures."""
        as_of = workflow.now()
        expired = await self._step(BookkeepingActivities.expire_credits, as_of, "let credit expire")
        closed = await self._step(BookkeepingActivities.close_months, as_of, "close months that are over")
        forgotten = await self._step(BookkeepingActivities.forget_idempotency_keys, as_of, "forget old keys")
        reminded = await self._step(BookkeepingActivities.remind_of_cards, as_of, "remind of cards that expire")
        ended = await workflow.execute_activity_method(
            RefundActivities.look_up_refunds,
            start_to_close_timeout=STEP_TIMEOUT,
            retry_policy=RETRY,
            summary="look pending refunds up",
        )
        return Kept(expired, closed, forgotten, reminded, ended)

    async def _step(self, step: Callable[[BookkeepingActivities, datetime], int], as_of: datetime, words: str) -> int:
        return await workflow.execute_activity_method(
            step, as_of, start_to_close_timeout=STEP_TIMEOUT, retry_policy=RETRY, summary=words
        )
