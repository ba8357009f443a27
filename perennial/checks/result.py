"""What a check says, and how findings are collected without holding a hundred thousand of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.orm import Session

from perennial.engine.context import Engine

# Findings that are named; the others are counted.
SHOWN = 20
# Two sources are read one after the other, so what differs for a moment is looked at again before it is reported.
LOOKS = 3
_BETWEEN_LOOKS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with what: `subject` is an id or a business key."""

    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check has seen. `findings` are the first ones of `count`; `seen` says in words what was looked at."""

    seen: str
    findings: tuple[Finding, ...] = ()
    count: int = 0
    figures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`detail` is one sentence; `figures` are numbers that others quote (`missed_renewals`)."""

    name: str
    ok: bool
    detail: str
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """`holds` says what is true when it passes."""

    name: str
    holds: str
    look: Callable[[Engine], Awaitable[Outcome]]


def outcome(seen: str, findings: Iterable[Finding], **figures: int) -> Outcome:
    """Keeps the first findings and counts all."""
    shown, count = [], 0
    for finding in findings:
        count += 1
        if count <= SHOWN:
            shown.append(finding)
    return Outcome(seen, tuple(shown), count, figures)


def in_database(look: Callable[[Session, Engine], Outcome]) -> Callable[[Engine], Awaitable[Outcome]]:
    """A check that reads PostgreSQL alone: all its statements see one snapshot."""

    async def run(engine: Engine) -> Outcome:
        def work(session: Session) -> Outcome:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            return look(session, engine)

        return await engine.read(work)

    return run


def lasting(look: Callable[[Engine], Awaitable[Outcome]]) -> Callable[[Engine], Awaitable[Outcome]]:
    """A check over two sources: only what is found at every look is reported."""

    async def run(engine: Engine) -> Outcome:
        seen = await look(engine)
        for _ in range(LOOKS - 1):
            if not seen.count:
                break
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
            again = await look(engine)
            still = tuple(finding for finding in again.findings if finding in seen.findings)
            # Of many findings only the first are known by name; that there were many each time is enough.
            count = again.count if again.count > SHOWN and seen.count > SHOWN else len(still)
            seen = Outcome(again.seen, still or again.findings[:count], count, again.figures)
        return seen

    return run


def rows(session: Session, statement: TextClause, **parameters: Any) -> list[Finding]:
    """The findings of a statement that answers `subject, problem`."""
    return [Finding(row.subject, row.problem) for row in session.execute(statement, parameters)]


def count(session: Session, statement: TextClause) -> int:
    return int(session.execute(statement).scalar_one() or 0)
