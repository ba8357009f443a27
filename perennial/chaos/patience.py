"""Asking again until there is an answer: what every client of a system does whose parts come and go."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from perennial.domain.errors import ClockAdvancing, CommandRefused, InvalidInput, NotFound
from perennial.engine.clocks import ClockLeftBehind

T = TypeVar("T")

PAUSE_SECONDS = 0.3


class OutOfPatience(Exception):
    """It never came to an answer; the cause is the last failure."""


async def persist(work: Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
    """The first answer. Refusals are answers; everything else is an outage that will be over.

    Raises:
        OutOfPatience: if it is not over after so many seconds.
        CommandRefused, InvalidInput, NotFound: as `work` does.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        try:
            return await asyncio.wait_for(work(), max(left, 1))
        except (ClockAdvancing, ClockLeftBehind) as error:
            trouble: Exception = error
        except (CommandRefused, InvalidInput, NotFound):
            raise
        except Exception as error:  # noqa: BLE001 - an outage has many faces; one that lasts is raised below
            trouble = error
        if time.monotonic() > deadline:
            raise OutOfPatience(what) from trouble
        await asyncio.sleep(PAUSE_SECONDS)
