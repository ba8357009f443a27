"""One of many to be reset: to before what a build has decided wrongly, or to before what fails. Safe to repeat."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
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

_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of one. `nothing_to_do`: it is well, or was reset already. `failed` is a defect of ours.

    `lagging`: it was reset, and is not yet where it was. `decided_again`: it was reset, and the build that was to be
    taken back has decided it once more, for it still works.
    """

    WOULD_RESET = "would_reset"
    RESET = "reset"
    LAGGING = "lagging"
    DECIDED_AGAIN = "decided_again"
    NOTHING_TO_DO = "nothing_to_do"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    subscription: str
    outcome: Outcome
    to: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Meant:
    """Those that a worker's `build` has decided about, or those that a visibility `query` finds.

    Raises InvalidInput: neither, or both.
    """

    build: str | None = None
    query: str | None = None

    def __post_init__(self) -> None:
        if bool(self.build) == bool(self.query):
            raise InvalidInput("give either a build or a query", field="build")


async def found(engine: Engine, meant: Meant) -> list[str]:
    """The subscriptions that are meant, by id. Visibility lags a little: what began just now may be missing.

    Raises:
        InvalidInput: Temporal does not understand the query.
        EngineUnavailable.
    """
    asked = _of_build(meant.build) if meant.build else f"({meant.query})"
    return await _list(engine, f"WorkflowType = '{SUBSCRIPTION}' AND {asked}")


async def look(engine: Engine, workflows: Sequence[type], subscription: str, build: str | None) -> Item:
    """What would become of it. Raises EngineUnavailable."""

    async def say(wanted: Plan) -> Item:
        return Item(wanted.subscription, Outcome.WOULD_RESET, wanted.to, _words(wanted))

    return await _item(engine, workflows, subscription, build, say)


async def set_back(
    engine: Engine, workflows: Sequence[type], subscription: str, build: str | None, *, why: str, name: str
) -> Item:
    """To before the first step that `build` decided, or to before what fails by the code of `workflows`.

    `why` stands in Temporal. Under the same `name` nothing is reset twice to the same place. Raises EngineUnavailable.
    """

    async def do(wanted: Plan) -> Item:
        place = f"{name}:{wanted.point.run_id}:{wanted.point.event}"
        done = await reset(engine, wanted, why=why, request_id=place)
        if build and _decided_by(build, await line_of(engine, subscription)):
            words = f"reset, but build {build} has decided it again: take that build away, then go on"
            return Item(subscription, Outcome.DECIDED_AGAIN, wanted.to, words)
        if not done.is_caught_up:
            words = "reset, but it has not arrived yet: `perennial support stuck`"
            return Item(subscription, Outcome.LAGGING, wanted.to, words)
        return Item(subscription, Outcome.RESET, wanted.to, _words(wanted))

    return await _item(engine, workflows, subscription, build, do)


async def _item(
    engine: Engine,
    workflows: Sequence[type],
    subscription: str,
    build: str | None,
    then: Callable[[Plan], Awaitable[Item]],
) -> Item:
    """One that is refused or broken holds none of the others up."""
    try:
        if build:
            return await then(await _to_build(engine, subscription, build))
        return await then(await planned(engine, subscription, workflows=workflows))
    except NothingFails as well:
        return Item(subscription, Outcome.NOTHING_TO_DO, words=well.message.split(":")[0])
    except EngineUnavailable:
        raise
    except PerennialError as refusal:
        return Item(subscription, Outcome.REFUSED, words=refusal.message)
    except Exception as defect:  # noqa: BLE001 - written down with what it was about
        _log.exception("not_reset", subscription_id=subscription, error=type(defect).__name__)
        return Item(subscription, Outcome.FAILED, words=type(defect).__name__)


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


def _words(wanted: Plan) -> str:
    if not wanted.steps:
        return "no step again; what was decided last is decided anew"
    new = len(wanted.charges)
    return f"{len(wanted.steps)} steps again, {f'{new} of them for the first time' if new else 'all found done'}"


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
