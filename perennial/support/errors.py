"""Where a run went wrong: the step that `--before-error` goes back to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perennial.checks.look import look_at, task_failure
from perennial.domain.errors import CommandRefused
from perennial.engine.context import Engine
from perennial.support.histories import COMPLETED, FAILED, TIMED_OUT, Line, Run
from perennial.support.steps import Point, Step, from_here, points_of

if TYPE_CHECKING:
    from perennial.checks.replay import Difference


class NothingFails(CommandRefused):
    code = "nothing_fails"

    def __init__(self, subscription: str) -> None:
        super().__init__(
            subscription,
            f"nothing fails there: name a step instead, see `perennial support steps {subscription}`",
        )


@dataclass(frozen=True, slots=True)
class Before:
    """`to` says which step that is, `why` what is wrong there."""

    point: Point
    to: str
    why: str


async def before_error(engine: Engine, workflows: Sequence[type], line: Line, steps: Sequence[Step]) -> Before:
    """In this order: where today's code decides differently, a workflow task that fails, an activity that fails.

    Raises:
        NothingFails: none of them.
    """
    # Not sooner: the Temporal worker is slow to import.
    from perennial.checks.replay import newest_difference

    run = line.current
    difference = await newest_difference(engine, workflows, line.subscription) if workflows else None
    if difference and difference.event:
        why = f"recorded: {difference.recorded}; today's code: {difference.wanted}"
        return _before(line, steps, _point_of(run, difference.event), why)
    now = await look_at(engine, line.subscription)
    if difference or now.task_attempts > 1:
        return _before(line, steps, _last(line), await _why(engine, line, difference))
    if now.failing:
        worst = max(now.failing, key=lambda each: each.attempt)
        step = next(step for step in reversed(steps) if not step.is_done and step.activity == worst.activity)
        return _before(line, steps, step.point, f"{worst.activity} fails (attempt {worst.attempt}): {worst.cause}")
    raise NothingFails(line.subscription)


def _before(line: Line, steps: Sequence[Step], point: Point, why: str) -> Before:
    again = from_here(steps, line, point)
    to = f"{again[0].number} {again[0].name}" if again else "where it stands, after its last step"
    return Before(point, to, why)


def _point_of(run: Run, event_id: int) -> Point:
    """The workflow task that led to this event."""
    return [point for point in _points(run) if point.event <= event_id][-1]


def _last(line: Line) -> Point:
    """The newest workflow task that was completed; in a run whose very first one fails, that one."""
    return _points(line.current)[-1]


def _points(run: Run) -> list[Point]:
    return points_of(run, [COMPLETED]) or points_of(run, [FAILED, TIMED_OUT])


async def _why(engine: Engine, line: Line, difference: "Difference | None") -> str:
    return await task_failure(engine, line.subscription) or (difference.wanted if difference else "")
