"""What support does is written down: before it is done, and again when it is known what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import update
from sqlalchemy.orm import Session

from perennial.db.models import SupportAction
from perennial.domain.errors import InvalidInput, PerennialError
from perennial.engine.context import Engine

T = TypeVar("T")
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Who:
    """`actor`: a person at the command line, or the name of an API key. `reason`: prose, for our own records alone.

    Raises InvalidInput: there is no reason, or it is longer than anybody reads.
    """

    actor: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or "\x00" in self.reason:
            raise InvalidInput("say why: it is written down with the action", field="reason")
        if len(self.reason) > LONGEST_REASON:
            raise InvalidInput(f"is longer than {LONGEST_REASON} characters", field="reason")


async def audited(
    engine: Engine,
    who: Who,
    action: str,
    subject: str,
    work: Callable[[int], Awaitable[T]],
    told: Callable[[T], str],
) -> T:
    """Do `work`, which is handed the number of the action. `told` says in words what came of it."""
    number = await engine.write(lambda session: _begin(session, engine, who, action, subject))
    try:
        done = await work(number)
    except PerennialError as refusal:
        outcome = f"refused: {refusal.code}: {refusal.message}"
        await engine.write(lambda session: _finish(session, engine, number, outcome))
        raise
    except Exception as error:
        outcome = f"failed: {type(error).__name__}"
        await engine.write(lambda session: _finish(session, engine, number, outcome))
        raise
    await engine.write(lambda session: _finish(session, engine, number, told(done)))
    return done


def _begin(session: Session, engine: Engine, who: Who, action: str, subject: str) -> int:
    row = SupportAction(at=engine.clock(), actor=who.actor, action=action, subject=subject, reason=who.reason.strip())
    session.add(row)
    session.flush()
    return row.id


def _finish(session: Session, engine: Engine, number: int, outcome: str) -> None:
    session.execute(
        update(SupportAction).where(SupportAction.id == number).values(outcome=outcome, finished_at=engine.clock())
    )
