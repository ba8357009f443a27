"""What a check says, and how findings are collected without holding a hundred thousand of them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from perennial.engine.context import Engine

# Findings that are named to people, and those that are held; the others are counted.
SHOWN = 20
KEPT = 1_000
# Two sources are read one after the other, so what differs for a moment is looked at again before it is reported.
LOOKS = 3
_BETWEEN_LOOKS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Slice:
    """Which subjects are looked at: those after `after` up to and with `until`; None: there is no such end.

    One after the other, slices cover everything there is, so that no transaction need be long.
    """

    after: str | None = None
    until: str | None = None


EVERYTHING = Slice()
_WITHIN = re.compile(r"WITHIN\(([\w.]+)(?:, ('\w+:'))?\)")


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
    """`holds` says what is true when it passes. `cut` says where a slice ends; None: it is looked at as a whole."""

    name: str
    holds: str
    look: Callable[[Engine, Slice], Awaitable[Outcome]]
    cut: TextClause | None = None


def outcome(seen: str, findings: Iterable[Finding], **figures: int) -> Outcome:
    """Keeps the first findings and counts all."""
    shown, count = [], 0
    for finding in findings:
        count += 1
        if count <= KEPT:
            shown.append(finding)
    return Outcome(seen, tuple(shown), count, figures)


def in_database(look: Callable[[Session, Engine, Slice], Outcome]) -> Callable[[Engine, Slice], Awaitable[Outcome]]:
    """A check that reads PostgreSQL alone: all its statements see one snapshot."""

    async def run(engine: Engine, part: Slice) -> Outcome:
        def work(session: Session) -> Outcome:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            return look(session, engine, part)

        return await engine.read(work)

    return run


def lasting(look: Callable[[Engine, Slice], Awaitable[Outcome]]) -> Callable[[Engine, Slice], Awaitable[Outcome]]:
    """A check over two sources: only what is found at every look is reported."""

    async def run(engine: Engine, part: Slice) -> Outcome:
        seen = await look(engine, part)
        for _ in range(LOOKS - 1):
            if not seen.count:
                break
            await between_looks()
            again = await look(engine, part)
            still = tuple(finding for finding in again.findings if finding in seen.findings)
            # Of many findings only the first are known by name; that there were many each time is enough.
            count = again.count if again.count > KEPT and seen.count > KEPT else len(still)
            seen = Outcome(again.seen, still or again.findings[:count], count, again.figures)
        return seen

    return run


async def between_looks() -> None:
    await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)


def sliced(statement: str) -> TextClause:
    """A statement in which `WITHIN(column)` stands for the slice; `WITHIN(column, 'prefix:')` for prefixed subjects."""

    def condition(found: re.Match[str]) -> str:
        column, prefix = found[1], f"{found[2]} || " if found[2] else ""
        after = f"(:after IS NULL OR {column} > {prefix}:after)"
        return f"{after} AND (:until IS NULL OR {column} <= {prefix}:until)"

    return text(_WITHIN.sub(condition, statement))


def rows(session: Session, statement: TextClause, part: Slice = EVERYTHING, **parameters: Any) -> list[Finding]:
    """The findings of a statement that answers `subject, problem`."""
    found = session.execute(statement, _given(statement, part) | parameters)
    return [Finding(row.subject, row.problem) for row in found]


def count(session: Session, statement: TextClause, part: Slice = EVERYTHING) -> int:
    return int(session.execute(statement, _given(statement, part)).scalar_one() or 0)


def _given(statement: TextClause, part: Slice) -> dict[str, Any]:
    """What a sliced statement takes; one that is not sliced looks at everything."""
    return {"after": part.after, "until": part.until} if ":until" in statement.text else {}
