"""Keeps child processes alive: one that dies is reported and started again, a little later each time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perennial.stack.process import ChildProcess

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
FORGIVEN_AFTER_SECONDS = 60.0  # a child that ran this long begins again with the shortest pause


@dataclass(slots=True)
class _Watched:
    child: ChildProcess
    started_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    start_at: float | None = None


class Supervisor:
    """Starts children, restarts the dead at each `look()`, stops them in the order in which they were given."""

    def __init__(
        self,
        children: Sequence[ChildProcess],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = [_Watched(child) for child in children]
        self._say = say
        self._clock = clock

    def start(self) -> None:
        for watched in self._watched:
            self._start(watched)

    def look(self) -> None:
        """Call it often: it notices the dead and starts those whose pause is over."""
        now = self._clock()
        for watched in self._watched:
            if watched.child.is_running:
                continue
            if watched.start_at is None:
                self._mourn(watched, now)
            elif now >= watched.start_at:
                self._start(watched)

    def stop(self) -> None:
        for watched in self._watched:
            watched.child.stop()

    def _start(self, watched: _Watched) -> None:
        watched.child.start()
        watched.started_at = self._clock()
        watched.start_at = None

    def _mourn(self, watched: _Watched, now: float) -> None:
        if now - watched.started_at > FORGIVEN_AFTER_SECONDS:
            watched.pause_seconds = FIRST_PAUSE_SECONDS
        watched.start_at = now + watched.pause_seconds
        self._say(
            f"{watched.child.name} ended with exit code {watched.child.returncode}; "
            f"it starts again in {watched.pause_seconds:g} s"
        )
        watched.pause_seconds = min(watched.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
