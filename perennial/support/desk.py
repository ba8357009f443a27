"""What support may do with one, each thing written down with who did it and why. All doors come here.

Many at once: `perennial.support.batch_resets`.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from perennial.contracts.views import SubscriptionView
from perennial.db.models import Subscription
from perennial.domain.subscription import commands as c
from perennial.engine import subscriptions
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.runs import CommandPending
from perennial.support import rebuild as rebuilding
from perennial.support import reset as resetting
from perennial.support import retry as retrying
from perennial.support.audit import Who, audited
from perennial.support.plan import Plan
from perennial.support.rebuild import Rebuilt
from perennial.support.reset import Reset

# What workflows are told of who asks: the person's name stays in our table, histories hold nothing personal.
ACTOR = "support"


async def reset(engine: Engine, who: Who, wanted: Plan, request_id: str | None = None) -> Reset:
    """Carry a plan out (see `perennial.support.reset`)."""
    return await audited(
        engine,
        who,
        "reset",
        wanted.subscription,
        lambda number: resetting.reset(engine, wanted, why=in_temporal(number), request_id=request_id),
        lambda done: f"to {done.to}: {done.steps} steps again{'' if done.is_caught_up else ', not arrived yet'}",
    )


async def rebuild(engine: Engine, who: Who, subscription: str) -> Rebuilt:
    return await audited(
        engine,
        who,
        "rebuild",
        subscription,
        lambda _: rebuilding.rebuild(engine, subscription),
        lambda done: f"the row was {done.row}",
    )


async def retry(engine: Engine, who: Who, subject: str) -> str:
    return await audited(
        engine, who, "retry", subject, lambda _: retrying.retry(engine, subject, ACTOR), lambda did: did
    )


async def park(engine: Engine, who: Who, subscription: str, request_id: str | None = None) -> SubscriptionView:
    """Raises NotFound, CommandRefused (it is parked, or has ended), CommandPending."""
    return await _command(engine, who, subscription, "park", c.Park, request_id)


async def unpark(engine: Engine, who: Who, subscription: str, request_id: str | None = None) -> SubscriptionView:
    """What fell due meanwhile is done now, each thing once, in its order."""
    return await _command(engine, who, subscription, "unpark", c.Unpark, request_id)


async def _command(
    engine: Engine,
    who: Who,
    subscription: str,
    name: str,
    kind: type[c.Park] | type[c.Unpark],
    request_id: str | None,
) -> SubscriptionView:
    request = request_id or new_id("req")

    def make(_session: Session, _row: Subscription, at: datetime) -> c.Command:
        return kind(request_id=request, at=at, actor=ACTOR)

    async def work(_number: int) -> SubscriptionView:
        try:
            return await subscriptions.command(engine, subscription, name, make)
        except CommandPending as pending:
            return pending.view  # accepted and durable; what it is waiting for is under way

    return await audited(
        engine,
        who,
        name,
        subscription,
        work,
        lambda view: f"{view.status}, {'parked' if view.parked_since else 'not parked'}",
    )


def in_temporal(number: int) -> str:
    """Everybody there can read it: why it was done stands in our own table under this number."""
    return f"support action {number}"
