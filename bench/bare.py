"""The ceiling: the least that Temporal can do for a renewal. Timer, one empty activity, next timer."""

from datetime import datetime, timedelta

from temporalio import activity, workflow

BARE = "BareRenewal"


@activity.defn
def nothing() -> None:
    """The empty activity; a sync function in the worker's thread pool, as ours are."""


@workflow.defn(name=BARE)
class BareRenewal:
    @workflow.run
    async def run(self, due: datetime) -> None:
        """Wakes at `due` (UTC) for the first time, then every 30 days."""
        while True:
            await workflow.sleep(max(due - workflow.now(), timedelta()))
            await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=15))
            due += timedelta(days=30)
