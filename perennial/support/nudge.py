"""Making a subscription do now what is due: the one writer does it, we only knock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetActivityRequest

from perennial.checks.look import Failing
from perennial.contracts.views import view_of
from perennial.db.models import Subscription
from perennial.domain import subscription as core
from perennial.domain.declines import DeclineClass, classify
from perennial.domain.errors import CommandRefused
from perennial.domain.subscription import State
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.state import Collection
from perennial.engine import states, subscriptions
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.engine.ids import new_id
from perennial.engine.runs import CommandPending

Make = Callable[[Session, Subscription, datetime], c.Command]


@dataclass(frozen=True, slots=True)
class Nudged:
    """What was done with a subscription, and how it stands after."""

    subscription: str
    plan: str
    did: str
    status: str


async def nudge(engine: Engine, subscription: str, actor: str = "cli") -> Nudged:
    """Act on what is overdue, then try what is owed. A workflow that is missing is started again on the way.

    Raises:
        NotFound, ClockAdvancing, EngineUnavailable.
    """
    state, now = await engine.read(lambda session: _standing(engine, session, subscription))
    did = []
    due = core.next_due(state)
    if not state.is_begun or (due is not None and due.at <= now):
        did.append(f"acted on: {due.kind.value} of {due.at:%Y-%m-%d %H:%M}" if due else "begun")
        if not await knock(engine, subscription, actor):
            did.append("still under way")
        state, _ = await engine.read(lambda session: _standing(engine, session, subscription))
    if state.collection:
        did.append(await _collect(engine, state, state.collection, actor))
    return Nudged(
        subscription, state.terms.code, "; ".join(did) or "nothing is due", await _status(engine, subscription)
    )


async def try_activity_now(engine: Engine, workflow_id: str, failing: Failing) -> None:
    """Begin the attempts of a failing activity anew, at once: what has been done already is found by its key."""
    request = ResetActivityRequest(
        namespace=engine.temporal.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        identity=engine.temporal.identity,
        id=failing.activity_id,
    )
    await temporal_call(engine.temporal.workflow_service.reset_activity(request, timeout=RPC_TIMEOUT))


def _standing(engine: Engine, session: Session, subscription: str) -> tuple[State, datetime]:
    row = subscriptions.require(session, subscription)
    return states.current(session, row), subscriptions.edge_time(engine, session, row.test_clock_id)


async def knock(engine: Engine, subscription: str, actor: str = "cli") -> bool:
    """News of no invoice changes nothing, but before it is heard everything due earlier is acted upon.

    False when that takes longer than a caller is kept waiting.
    """

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.PaymentEvent(request_id=new_id("req"), at=at, actor=actor, invoice="", attempt=0)

    return await _sent(engine, subscription, "payment_event", make)


async def _collect(engine: Engine, state: State, case: Collection, actor: str) -> str:
    if case.in_flight:
        return "its payment is under way"
    if state.payment_method_id is None:
        return "no payment method"
    if case.code and classify(case.code) is not DeclineClass.SOFT:
        # The networks forbid to hammer a card that was refused for good, and only its holder can authenticate.
        return f"waits for the customer ({case.code})"

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return c.RetryPayment(request_id=new_id("req"), at=at, actor=actor)

    try:
        done = await _sent(engine, state.id, "retry_payment", make)
    except CommandRefused as refusal:
        return refusal.message
    return await _outcome(engine, state.id) if done else "its payment is under way"


async def _outcome(engine: Engine, subscription: str) -> str:
    state, _ = await engine.read(lambda session: _standing(engine, session, subscription))
    case = state.collection
    return "paid" if case is None else f"tried again: {case.code or 'no answer yet'}"


async def _sent(engine: Engine, subscription: str, name: str, make: Make) -> bool:
    try:
        await subscriptions.command(engine, subscription, name, make)
    except CommandPending:
        return False
    return True


async def _status(engine: Engine, subscription: str) -> str:
    state, _ = await engine.read(lambda session: _standing(engine, session, subscription))
    return view_of(state).status
