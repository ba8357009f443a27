"""Looks, every few seconds, at the limits of those who have used something, and writes the alerts that are due.

Counting a limit costs as much as the period has events, so it is not done while somebody waits for their events to be
taken. Several relays may look at once: an alert has a key.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import usage_alerts

PAUSE = timedelta(seconds=2)
# A look that takes long is followed by a longer rest, so that counting is at most a tenth of the database's work.
REST = 10
# A batch is seen when it is committed and bears the time at which it began: nothing waits longer than that for a lock.
OVERLAP = timedelta(seconds=30)
# What a relay that starts looks back on.
FIRST_LOOK = timedelta(hours=1)


class UsageAlerts:
    """`clock` tells machine time (aware UTC)."""

    def __init__(self, sessions: Sessions, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._looked_at: datetime | None = None
        self._rests_until: datetime | None = None

    def run_once(self) -> int:
        """Look if it is time to. Answers 0: nobody has to hurry for the next look."""
        now = self._clock()
        if self._rests_until is not None and now < self._rests_until:
            return 0
        since = now - FIRST_LOOK if self._looked_at is None else self._looked_at - OVERLAP
        with unit_of_work(self._sessions) as session:
            usage_alerts.tell(session, since, now)
        self._looked_at, self._rests_until = now, now + max(PAUSE, REST * (self._clock() - now))
        return 0
