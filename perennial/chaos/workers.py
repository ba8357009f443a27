"""Workers to be killed: `python -m perennial.chaos.workers`.

One process imports everything once and forks a worker for each place: the real `worker.main`. SIGUSR1 kills the first
(SIGKILL), SIGUSR2 the second; whichever ends is replaced at once. A new interpreter for each death would spend the time
of a small machine on imports.
"""

import contextlib
import os
import signal
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from types import FrameType

from perennial.chaos import defects
from perennial.chaos.storm import WORKERS
from perennial.cli.process import load_application
from perennial.config import Settings, load_settings
from perennial.observability import observed
from perennial.stack.process import die_with_parent

# Made in the working directory when blows are expected.
READY = "workers.ready"
# So often may workers end by themselves, one after the other, before it is taken for what it is.
ENDS = 30
PAUSE_SECONDS = 0.5
KILL = (signal.SIGUSR1, signal.SIGUSR2)


class Nursery:
    """Keeps a worker in each place."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._work = load_application("worker", "main")
        self._workers: dict[int, int] = {}  # place -> process id
        self._stopping = False
        self._ends_left = ENDS

    def run(self) -> None:
        """Until SIGTERM, which the workers get too: what they are at is finished."""
        for place, number in enumerate(KILL):
            signal.signal(number, partial(self._kill, place))
        signal.signal(signal.SIGTERM, self._stop)
        for place in range(WORKERS):
            self._bear(place)
        Path(READY).touch()
        while self._workers:
            dead, status = os.wait()
            for place in [place for place, pid in self._workers.items() if pid == dead]:
                del self._workers[place]
                self._mourn(status)
                if not self._stopping:
                    self._bear(place)

    def _mourn(self, status: int) -> None:
        """Who ends by himself, because Temporal is away, comes again a little later; but not for ever."""
        if self._stopping or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            self._ends_left = ENDS
            return
        self._ends_left -= 1
        if not self._ends_left:
            sys.exit("workers end by themselves, again and again")
        time.sleep(PAUSE_SECONDS)

    def _bear(self, place: int) -> None:
        # Signals are held back, so that a blow never falls between the fork and the book of it.
        held = {*KILL, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            for number in held:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
            die_with_parent(parent, signal.SIGKILL)
            self._live()
        self._workers[place] = pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)

    def _live(self) -> None:
        code = 1
        try:
            with observed(self._settings, "worker"):
                self._work(self._settings)
            code = 0
        except Exception:  # noqa: BLE001 - the last resort of this process
            traceback.print_exc()
        finally:
            # Without the interpreter's tidying up, in which the Temporal SDK can abort.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _kill(self, place: int, _number: int, _frame: FrameType | None) -> None:
        if pid := self._workers.get(place):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def main() -> None:
    settings = load_settings()
    if defect := os.environ.get(defects.VARIABLE):
        defects.plant(defect, settings)
    Nursery(settings).run()


if __name__ == "__main__":
    main()
