"""One plan migration: page after page, until everybody has been asked.

Where it stands is in rows (`plan_migration_items`), so that a run may be killed, terminated or started again anywhere.
"""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.plan_migrations import PlanMigrationActivities
    from perennial.contracts.workflows import PLAN_MIGRATION, PlanMigrationInput
    from workflows.effects import RETRY
    from workflows.endurance import endure
    from workflows.signboard import board, page_of

# Fifty subscriptions, each of which may keep us waiting for ten seconds, six at a time.
PAGE_TIMEOUT = timedelta(minutes=5)
# A killed worker is noticed when a subscription should long have answered.
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
# Three events a page and three a task: far below what a history may hold, and few enough to be replayed at once.
PAGES_PER_RUN = 100


@workflow.defn(name=PLAN_MIGRATION)
class PlanMigrationWorkflow:
    """See the module. Its id is that of the migration."""

    @workflow.run
    async def run(self, start: PlanMigrationInput) -> None:
        await endure(self._turn_pages(start))

    async def _turn_pages(self, start: PlanMigrationInput) -> None:
        for page in range(PAGES_PER_RUN):
            workflow.set_current_details(board(f"page {page + 1}", [page_of("others", start.migration_id)]))
            more = await workflow.execute_activity_method(
                PlanMigrationActivities.turn_page,
                start.migration_id,
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary=f"page {page + 1}",
            )
            if not more:
                return
        workflow.continue_as_new(start)
