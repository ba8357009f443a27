"""The life of a subscription as steps: what was done, when, and from where it can be told again.

A step is an activity. The workflow task that asked for it is where a reset goes to: that task is decided anew, and with
it everything after it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from perennial.contracts import activities as tasks
from perennial.domain.errors import InvalidInput
from perennial.engine.context import Engine
from perennial.support.histories import SCHEDULED, Line, Run
from perennial.support.words import Task, Told, told

_TASKS: dict[str, type[Any]] = {
    "bill": tasks.BillTask,
    "collect": tasks.CollectTask,
    "settle": tasks.SettleTask,
    "close": tasks.CloseTask,
    "receive": tasks.ReceiveTask,
    "credit": tasks.CreditTask,
    "record": tasks.RecordTask,
}
_LISTED = 40
BEGINNING = "start "


class UnknownStep(InvalidInput):
    code = "unknown_step"

    def __init__(self, asked: str, steps: Sequence["Step"], *, is_whole: bool) -> None:
        there = "; ".join(f"{step.number} {step.name}" for step in steps[-_LISTED:])
        gone = "" if is_whole else " (what is older Temporal does not keep any more)"
        if is_whole and steps and not steps[0].name.startswith(BEGINNING):
            gone = " (what was before it was started again, or reactivated, belongs to a history that has ended)"
        super().__init__(f"there is no step {asked!r}. There are: {there}{gone}", field="to")


@dataclass(frozen=True, slots=True)
class Point:
    """A completed workflow task: a reset keeps what is before it, and decides it and all after it anew."""

    run_id: str
    event: int


@dataclass(frozen=True, slots=True)
class Step:
    """`at` is domain time (UTC). `is_done`: its activity has answered. `build`: of the worker that decided it."""

    number: int
    name: str
    at: datetime
    words: str
    activity: str
    is_done: bool
    point: Point
    build: str
    scheduled: int = 0
    task: Task | None = field(default=None, repr=False)


async def steps_of(engine: Engine, line: Line) -> list[Step]:
    """Oldest first. An activity that today's code cannot read has its summary instead of words."""
    steps: list[Step] = []
    for run in line.runs:
        answered = {_scheduled_by(event) for event in run.events}
        builds = {event.event_id: build_of(event) for event in run.events}
        for event in run.events:
            if event.event_type != SCHEDULED:
                continue
            decided = event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
            task = await _task(engine.temporal.data_converter, event)
            said = told(task) if task else await _summary(engine.temporal.data_converter, event)
            steps.append(
                Step(
                    number=len(steps) + 1,
                    name=f"{said.name} {said.at:%Y-%m-%d}",
                    at=said.at,
                    words=said.words,
                    activity=event.activity_task_scheduled_event_attributes.activity_type.name,
                    is_done=event.event_id in answered,
                    point=Point(run.id, decided),
                    build=builds.get(decided, ""),
                    scheduled=event.event_id,
                    task=task,
                )
            )
    return steps


def find(steps: Sequence[Step], line: Line, asked: str) -> Step:
    """By number, by name, or by what a name begins with if only one does.

    Raises:
        UnknownStep: there is none, or more than one.
    """
    wanted = " ".join(asked.casefold().split())
    by_number = [step for step in steps if str(step.number) == wanted]
    exact = [step for step in steps if step.name.casefold() == wanted]
    begun = [step for step in steps if wanted and step.name.casefold().startswith(wanted)]
    for found in (by_number, exact, begun):
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise UnknownStep(asked, exact or begun or steps, is_whole=line.is_whole)


def from_here(steps: Sequence[Step], line: Line, point: Point) -> list[Step]:
    """Those that a reset to the point does again."""
    order = [run.id for run in line.runs]
    here = (order.index(point.run_id), point.event)
    return [step for step in steps if (order.index(step.point.run_id), step.point.event) >= here]


def build_of(event: HistoryEvent) -> str:
    """The build id of the worker that completed a workflow task; empty for other events."""
    done = event.workflow_task_completed_event_attributes
    return done.deployment_version.build_id or done.worker_version.build_id


def points_of(run: Run, kinds: Sequence["EventType.ValueType"]) -> list[Point]:
    return [Point(run.id, event.event_id) for event in run.events if event.event_type in kinds]


def _scheduled_by(event: HistoryEvent) -> int:
    """The event that asked for the activity whose success this is."""
    return event.activity_task_completed_event_attributes.scheduled_event_id


async def _task(converter: DataConverter, event: HistoryEvent) -> Task | None:
    wrote = event.activity_task_scheduled_event_attributes
    kind = _TASKS.get(wrote.activity_type.name)
    if kind is None:
        return None
    try:
        [task] = await converter.decode(wrote.input.payloads, [kind])
    except Exception:  # noqa: BLE001 - whatever it is, today's code cannot read it; there is its summary
        return None
    read: Task = task
    return read


async def _summary(converter: DataConverter, event: HistoryEvent) -> Told:
    name = event.activity_task_scheduled_event_attributes.activity_type.name
    words = name
    if event.user_metadata.HasField("summary"):
        [summary] = await converter.decode([event.user_metadata.summary])
        words = summary if isinstance(summary, str) else json.dumps(summary)
    return Told(name.replace("_", " "), words, event.event_time.ToDatetime(tzinfo=UTC))
