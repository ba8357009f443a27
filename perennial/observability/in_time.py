"""Asking what may never answer: a server that is frozen, or behind a cut cable, holds a connection for minutes."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class InTime(Generic[Answer]):
    """Asks in a thread of its own and waits for so many seconds. While a question is open, no second one is asked."""

    def __init__(self, question: Callable[[], Answer], seconds: float) -> None:
        self._question = question
        self._seconds = seconds
        self._lock = Lock()
        self._open: Future[Answer] | None = None

    def __call__(self) -> Answer:
        """What the question answers or raises.

        Raises:
            TimeoutError: nothing so far.
        """
        with self._lock:
            if self._open is None or self._open.done():
                self._open = self._ask()
            asked = self._open
        return asked.result(self._seconds)

    def _ask(self) -> Future[Answer]:
        asked: Future[Answer] = Future()

        def wait() -> None:
            try:
                asked.set_result(self._question())
            except BaseException as error:  # noqa: BLE001 (handed on to whoever asked)
                asked.set_exception(error)

        # A daemon, for the process must be able to end while nobody answers.
        Thread(target=wait, name="in-time", daemon=True).start()
        return asked
