"""Resetting many: all that a build has decided wrongly, or all that a query finds. Safe to repeat."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode

from perennial.contracts.workflows import SUBSCRIPTION
from perennial.domain.errors import CommandRefused, EngineUnavailable, InvalidInput, PerennialError
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.support.errors import NothingFails
from perennial.support.histories import COMPLETED, Line, line_of
from perennial.support.plan import Plan, plan
from perennial.support.reset import life, planned, refuse_while_busy, reset
from perennial.support.steps import Point, build_of, from_here

_PAGE = 500


class Outcome(StrEnum):
    """What became of one. `nothing_to_do`: it is well, or was reset already. `decided_again`: it was reset, and the
    build that was to be taken back has decided it once more, for it still works.
    """

    WOULD_RESET = "would_reset"
    RESET = "reset"
    LAGGING = "lagging"
    DECIDED_AGAIN = "decided_again"
    NOTHING_TO_DO = "nothing_to_do"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Item:
    subscription: str
    outcome: Outcome
    to: str
    words: str


async def found(engine: Engine, *, build: str | None = None, query: str | None = None) -> list[str]:
    """The subscriptions that are meant, by id. Visibility lags a little: what began just now may be missing.

    Raises:
        InvalidInput: Temporal does not understand the query.
        EngineUnavailable.
    """
    asked = _of_build(build) if build else f"({query})"
    return await _list(engine, f"WorkflowType = '{SUBSCRIPTION}' AND {asked}")


async def batch(
    engine: Engine,
    workflows: Sequence[type],
    ids: Sequence[str],
    *,
    build: str | None = None,
    go: bool = False,
    why: str = "",
) -> AsyncIterator[Item]:
    """One after the other: to before the first step that `build` decided, or to before what fails by today's code.

    Ends early when `build` still works: whatever is reset, it would decide again.
    """
    for subscription in ids:
        try:
            wanted = await (
                _to_build(engine, subscription, build) if build else _to_error(engine, workflows, subscription)
            )
            item = await _done(engine, wanted, build, why) if go else _planned(wanted)
            yield item
            if item.outcome is Outcome.DECIDED_AGAIN:
                return
        except NothingFails as well:
            yield Item(subscription, Outcome.NOTHING_TO_DO, "", well.message.split(":")[0])
        except EngineUnavailable:
            raise
        except PerennialError as refusal:
            yield Item(subscription, Outcome.REFUSED, "", refusal.message)


async def _to_error(engine: Engine, workflows: Sequence[type], subscription: str) -> Plan:
    return await planned(engine, subscription, workflows=workflows)


async def _to_build(engine: Engine, subscription: str, build: str) -> Plan:
    line, steps = await life(engine, subscription)
    points = _decided_by(build, line)
    if not points:
        raise NothingDecided(subscription, build)
    await refuse_while_busy(engine, subscription)
    again = from_here(steps, line, points[0])
    to = f"{again[0].number} {again[0].name}" if again else "where it stands, after its last step"
    return await plan(engine, line, steps, points[0], to, f"decided by build {build}")


def _decided_by(build: str, line: Line) -> list[Point]:
    return [
        Point(run.id, event.event_id)
        for run in line.runs
        for event in run.events
        if event.event_type == COMPLETED and build_of(event) == build
    ]


class NothingDecided(NothingFails):
    def __init__(self, subscription: str, build: str) -> None:
        CommandRefused.__init__(self, subscription, f"build {build} has decided nothing of it")


def _planned(wanted: Plan) -> Item:
    return Item(wanted.subscription, Outcome.WOULD_RESET, wanted.to, _words(wanted))


async def _done(engine: Engine, wanted: Plan, build: str | None, why: str) -> Item:
    done = await reset(engine, wanted, why=why)
    if build and _decided_by(build, await line_of(engine, wanted.subscription)):
        words = f"reset, but build {build} has decided it again: take that build away, then repeat this"
        return Item(wanted.subscription, Outcome.DECIDED_AGAIN, wanted.to, words)
    outcome = Outcome.RESET if done.is_caught_up else Outcome.LAGGING
    words = _words(wanted) if done.is_caught_up else "reset, but it has not arrived yet: `perennial support stuck`"
    return Item(wanted.subscription, outcome, wanted.to, words)


def _words(wanted: Plan) -> str:
    new = len(wanted.charges)
    return (
        f"{len(wanted.steps)} steps again, {new} of them for the first time"
        if new
        else (f"{len(wanted.steps)} steps again, all found done")
    )


def _of_build(build: str) -> str:
    quoted = build.replace("'", "")
    kinds = ("unversioned", "versioned", "assigned")
    return f"BuildIds IN ({', '.join(repr(f'{kind}:{quoted}') for kind in kinds)})"


async def _list(engine: Engine, query: str) -> list[str]:
    ids: dict[str, None] = {}
    token = b""
    while True:
        request = ListWorkflowExecutionsRequest(
            namespace=engine.temporal.namespace, page_size=_PAGE, next_page_token=token, query=query
        )
        try:
            page = await temporal_call(
                engine.temporal.workflow_service.list_workflow_executions(request, timeout=RPC_TIMEOUT)
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            raise InvalidInput(f"Temporal does not understand it: {error.message}", field="query") from error
        ids |= {info.execution.workflow_id: None for info in page.executions}
        token = page.next_page_token
        if not token:
            return sorted(ids)
