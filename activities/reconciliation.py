"""Tours of the reconciler, a page at a time."""

from temporalio import activity

from activities.beats import beating
from activities.errors import translated
from perennial.checks.telling import announce_opened
from perennial.checks.tours import skip_round, turn_page
from perennial.contracts.reconciliation import Place
from perennial.engine.context import Engine
from perennial.ports import GatewayError
from perennial.support.repairs import repair

# A gateway that has not answered after so many attempts (about five minutes) is left out of this tour.
_ATTEMPTS = 10


class ReconciliationActivities:
    """It asks the engine, so it runs on the loop and not in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @activity.defn(name="turn_page_of_tour")
    async def turn_page(self, place: Place) -> Place | None:
        """Look at one page and say where the next one is; None at the end. It may be run again at any time."""
        with translated():
            async with beating():
                try:
                    following = await turn_page(self._engine, place, repair)
                except GatewayError as error:
                    if error.retryable and activity.info().attempt < _ATTEMPTS:
                        raise
                    following = await skip_round(self._engine, place)
        if following is None:
            await announce_opened(self._engine, place)
        return following
