"""Moving the subscribers of a plan to another version, a page at a time."""

from temporalio import activity

from activities.errors import translated
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine
from perennial.engine.plan_migration_pages import turn_page

# A migration that is not there after so many looks was never written down: the request for it was rolled back.
_LOOKS = 10


class PlanMigrationActivities:
    """It asks as a customer would, through the engine; so it runs on the loop and not in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @activity.defn
    async def turn_page(self, migration_id: str) -> bool:
        """Whether more may be left."""
        with translated():
            try:
                return await turn_page(self._engine, migration_id, activity.heartbeat)
            except NotFound:
                if activity.info().attempt < _LOOKS:
                    raise
                return False
