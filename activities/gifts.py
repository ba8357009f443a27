"""Writing down the steps of a gift."""

from temporalio import activity

from perennial.contracts.activities import GiftRecordTask
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import gifts


class GiftActivities:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn(name="record_gift")
    def record(self, task: GiftRecordTask) -> None:
        """The gift's row, timeline and messages, in one transaction."""
        with unit_of_work(self._sessions) as session:
            gifts.write(session, task.record, task.as_of, activity.info().workflow_run_id or "")
