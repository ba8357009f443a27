"""What became of a command that was taken in and whose end nobody waited for (202)."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import TimelineEntry
from perennial.engine import states, subscriptions
from perennial.engine.context import Engine


class Fate(StrEnum):
    """`pending`: neither done nor refused so far, or nobody has asked for it under this name."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` says why it was refused."""

    request_id: str
    status: Fate
    code: str | None = None


async def outcome(engine: Engine, subscription_id: str, request_id: str) -> Outcome:
    """What is done is remembered for the last twenty commands of a subscription, what was refused for ever.

    Raises:
        NotFound: no such subscription.
    """

    def read(session: Session) -> Outcome:
        row = subscriptions.require(session, subscription_id)
        if request_id in states.current(session, row).applied:
            return Outcome(request_id, Fate.DONE)
        refused = select(TimelineEntry.data["code"].astext).where(
            TimelineEntry.subject_id == subscription_id,
            TimelineEntry.kind == "refused",
            TimelineEntry.data["request"].astext == request_id,
        )
        code = session.scalar(refused.limit(1))
        return Outcome(request_id, Fate.REFUSED if code else Fate.PENDING, code)

    return await engine.read(read)
