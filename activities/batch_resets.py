"""Resetting many subscriptions, a page at a time."""

from collections.abc import Sequence

from temporalio import activity

from activities.beats import beating
from activities.errors import translated
from perennial.contracts.workflows import BatchTurned
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine
from perennial.support.batch_pages import turn_page

# A batch that is not there after so many looks was never written down: the request for it was rolled back.
_LOOKS = 10


class BatchResetActivities:
    """It asks the engine, so it runs on the loop and not in a thread.

    `workflows` is the code of today: what fails, and what is decided otherwise than a history has it, is found with it.
    """

    def __init__(self, engine: Engine, workflows: Sequence[type]) -> None:
        self._engine = engine
        self._workflows = workflows

    @activity.defn(name="turn_page_of_resets")
    async def turn_page(self, batch_id: str) -> BatchTurned:
        """Everybody on the page has their turn. It may be run again at any time."""
        with translated():
            try:
                async with beating():
                    return await turn_page(self._engine, self._workflows, batch_id)
            except NotFound:
                if activity.info().attempt < _LOOKS:
                    raise
                return BatchTurned("never begun", 0, 0, goes_on=False)
