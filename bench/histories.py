"""When a renewal was finished and what it left in history, read from the server's own records."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

_WIDTH = 16
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Renewal:
    """From the firing of the timer to the start of the next one (server time, UTC); `events` counts both and all
    between them.
    """

    fired_at: datetime
    asleep_at: datetime
    events: int


async def renewals(client: Client, workflow_ids: Sequence[str]) -> list[Renewal]:
    """One of each workflow; a history holds one renewal."""
    width = asyncio.Semaphore(_WIDTH)

    async def one(workflow_id: str) -> Renewal:
        async with width:
            return await _renewal(client, workflow_id)

    return await asyncio.gather(*(one(workflow_id) for workflow_id in workflow_ids))


async def _renewal(client: Client, workflow_id: str) -> Renewal:
    fired = asleep = None
    first = last = 0
    async for event in client.get_workflow_handle(workflow_id).fetch_history_events():
        last, at = event.event_id, event.event_time.ToDatetime(tzinfo=UTC)
        if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED and fired is None:
            fired, first = at, event.event_id
        elif event.event_type == EventType.EVENT_TYPE_TIMER_STARTED and fired is not None:
            asleep = at
    if fired is None or asleep is None:
        raise RuntimeError(f"{workflow_id} has not renewed")
    return Renewal(fired, asleep, last - first + 1)


async def wait_until_asleep(client: Client, workflow_ids: Sequence[str], more_events_than: int) -> int:
    """Returns when every workflow has that many events and nothing left to do: its timer runs. Answers how many
    events they have. Raises TimeoutError after five minutes: the worker has a problem, see its log.

    It asks about the last one until that sleeps, then about the one before it: a herd under way is hardly disturbed.
    """
    length, deadline = 0, time.monotonic() + _PATIENCE_SECONDS
    for workflow_id in reversed(workflow_ids):
        while True:
            description = await client.get_workflow_handle(workflow_id).describe()
            raw, length = description.raw_description, description.history_length
            if length > more_events_than and not raw.pending_activities and not raw.HasField("pending_workflow_task"):
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"{workflow_id} does not come to rest")
            await asyncio.sleep(_POLL_SECONDS)
    return length
