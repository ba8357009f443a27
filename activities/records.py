"""Writing down a step that moves no money."""

from temporalio import activity

from perennial.contracts.activities import RecordTask
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import records


class RecordActivities:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn
    def record(self, task: RecordTask) -> None:
        """Projection, timeline, spans and messages of one step, in one transaction."""
        with unit_of_work(self._sessions) as session:
            records.write(session, task.record, task.as_of, activity.info().workflow_run_id or "")
