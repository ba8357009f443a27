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

from perennial.contracts.reconciliation import RECONCILIATION, Place, Tour
from perennial.contracts.workflows import BOOKKEEPING

RECONCILE_GATEWAYS = f"{RECONCILIATION}-{Tour.GATEWAYS}".lower()
RECONCILE_CHECKS = f"{RECONCILIATION}-{Tour.CHECKS}".lower()


async def ensure_schedules(client: Client, task_queue: str) -> None:
    """Make the schedules that are missing; those that there are stay as operators have left them."""
    for name, schedule in _schedules(task_queue).items():
        with contextlib.suppress(ScheduleAlreadyRunningError):
            await client.create_schedule(name, schedule)


def _schedules(task_queue: str) -> dict[str, Schedule]:
    def start(name: str, workflow: str, *input: Place) -> ScheduleActionStartWorkflow:
        return ScheduleActionStartWorkflow(workflow, args=input, id=name, task_queue=task_queue)

    bookkeeping = BOOKKEEPING.lower()
    return {
        # Three in the morning, UTC: after the day has ended in most zones where merchants keep books.
        bookkeeping: _schedule(start(bookkeeping, BOOKKEEPING), hour=3, minute=10, catch_up=timedelta(days=2)),
        # A tour that takes longer than an hour lets the next one be. What was missed is no loss: each looks at all.
        RECONCILE_GATEWAYS: _schedule(
            start(RECONCILE_GATEWAYS, RECONCILIATION, Place(Tour.GATEWAYS)), minute=25, catch_up=timedelta(minutes=10)
        ),
        RECONCILE_CHECKS: _schedule(
            start(RECONCILE_CHECKS, RECONCILIATION, Place(Tour.CHECKS)), hour=3, minute=40, catch_up=timedelta(hours=2)
        ),
    }


def _schedule(
    action: ScheduleActionStartWorkflow, *, minute: int, catch_up: timedelta, hour: int | None = None
) -> Schedule:
    """Every day at that time (UTC), or every hour."""
    hours = ScheduleRange(0, 23) if hour is None else ScheduleRange(hour)
    return Schedule(
        action=action,
        spec=ScheduleSpec(calendars=[ScheduleCalendarSpec(hour=[hours], minute=[ScheduleRange(minute)])]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=catch_up),
    )
