"""A tour of the reconciler: page after page, until every round has been gone. It may be killed anywhere."""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import ReconciliationActivities
    from perennial.contracts.reconciliation import RECONCILIATION, Place
    from workflows.effects import RETRY

# A page is a query or two of a thousand rows and a call of a gateway; a suspicion is looked at three times.
PAGE_TIMEOUT = timedelta(minutes=10)
# A killed worker is noticed by the beats that do not come (one a second).
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
# Six events a page: far below what a history may hold, and few enough to be replayed at once.
PAGES_PER_RUN = 200


@workflow.defn(name=RECONCILIATION)
class ReconciliationWorkflow:
    """Started by schedules (`perennial.temporal.schedules`), or by hand with a `Place` of its own."""

    @workflow.run
    async def run(self, place: Place) -> None:
        here: Place | None = replace(place, began_at=place.began_at or workflow.now())
        for _ in range(PAGES_PER_RUN):
            assert here is not None
            words = f"{here.round or here.tour.value}: page {here.page}"
            workflow.set_current_details(f"**{words}**" + "".join(f"\n\nmissed: {name}" for name in here.missed))
            here = await workflow.execute_activity_method(
                ReconciliationActivities.turn_page,
                here,
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary=words,
            )
            if here is None:
                return
        workflow.continue_as_new(here)
