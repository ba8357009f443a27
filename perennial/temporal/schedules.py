"""What runs by the clock of the machine rather than by that of a subscription."""

import contextlib
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)

from perennial.contracts.workflows import BOOKKEEPING

# Three in the morning, UTC: after the day has ended in most zones where merchants keep books.
_DAILY = ScheduleSpec(calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(3)], minute=[ScheduleRange(10)])])


async def ensure_schedules(client: Client, task_queue: str) -> None:
    """Make the schedules that are missing; those that there are stay as operators have left them."""
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(BOOKKEEPING, id=BOOKKEEPING.lower(), task_queue=task_queue),
        spec=_DAILY,
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(days=2)),
    )
    with contextlib.suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(BOOKKEEPING.lower(), schedule)
