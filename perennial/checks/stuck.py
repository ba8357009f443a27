"""What does not move although it should, why, and the one command that helps.

Overdue rows, workflow code and activities that fail again and again, rows without workflows and workflows without rows;
and what support has put aside, so that nobody forgets it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.checks.look import Failing, Run, look_at, task_failure
from perennial.checks.walk import lateness
from perennial.checks.workflows import running_workflows
from perennial.contracts.workflows import SUBSCRIPTION
from perennial.engine.context import Engine, list_runs

_WIDTH = 20
# As many are looked into; who has more of them looks at one and finds the cause of all.
ASKED_AT_MOST = 200

# Overdue by their own clock, never begun, or with a payment or refund in the air.
_SUSPECTS = text(
    """
WITH lives AS (
    SELECT s.id, s.status, s.next_due_kind AS due_kind, s.next_due_at AS due_at, s.step, s.created_at,
           coalesce(c.now, :late) AS reached, s.parked_at
    FROM subscriptions s LEFT JOIN test_clocks c ON c.id = s.test_clock_id WHERE s.ended_at IS NULL
    UNION ALL
    SELECT g.id, g.status, g.state ->> 'status', g.next_due_at, g.step, g.created_at, coalesce(c.now, :late), NULL
    FROM gifts g LEFT JOIN test_clocks c ON c.id = g.test_clock_id WHERE g.next_due_at IS NOT NULL
    UNION ALL
    SELECT d.id, d.status, 'payment_overdue', d.next_due_at, d.step, d.finalised_at, coalesce(c.now, :late), NULL
    FROM invoice_drafts d LEFT JOIN test_clocks c ON c.id = d.test_clock_id WHERE d.status = 'finalised'
), in_the_air AS (
    SELECT coalesce(i.subscription_id, i.gift_id, i.id) AS id FROM payment_attempts a
    JOIN invoices i ON i.id = a.invoice_id WHERE a.status = 'pending'
    UNION
    SELECT coalesce(i.subscription_id, i.gift_id) FROM refunds r JOIN payment_attempts a ON a.id = r.attempt_id
    JOIN invoices i ON i.id = a.invoice_id WHERE r.status = 'pending'
)
SELECT l.id, l.status, l.due_kind, l.due_at, l.reached, (l.due_at <= l.reached) IS TRUE AS overdue,
       l.step = 0 AND l.created_at < l.reached AS never_begun, l.parked_at
FROM lives l
WHERE l.due_at <= l.reached OR (l.step = 0 AND l.created_at < l.reached) OR l.id = ANY(:silent)
   OR l.id IN (SELECT id FROM in_the_air) OR l.parked_at IS NOT NULL
UNION ALL
SELECT a.id, s.status, NULL, NULL, s.ended_at, FALSE, FALSE, NULL
FROM in_the_air a JOIN subscriptions s ON s.id = a.id WHERE s.ended_at IS NOT NULL
UNION ALL
-- Issued by a workflow of its own, unlike that of a gift that was canceled.
SELECT n.id, 'issued', NULL, NULL, n.issued_at, FALSE, FALSE, NULL
FROM credit_notes n WHERE n.subscription_id IS NULL AND n.reason <> 'gift_canceled'
  AND EXISTS (SELECT FROM refunds r WHERE r.credit_note_id = n.id AND r.status = 'pending')
UNION ALL
SELECT m.id, CASE m.status WHEN 'running' THEN m.status ELSE 'pending' END, NULL, NULL, m.created_at, FALSE, FALSE, NULL
FROM plan_migrations m
WHERE m.status = 'running'
   OR EXISTS (SELECT FROM plan_migration_items t WHERE t.migration_id = m.id AND t.status = 'pending')
UNION ALL
SELECT b.id, b.status, NULL, NULL, b.created_at, FALSE, FALSE, NULL FROM batch_resets b
WHERE b.status IN ('looking', 'resetting')
ORDER BY 4 NULLS LAST, 1
"""
)
_ONE = text(f"SELECT * FROM ({_SUSPECTS.text}) AS suspects WHERE id = :id")  # noqa: S608 - our own words
_LIVE = text(
    "SELECT id FROM subscriptions WHERE ended_at IS NULL "
    "UNION ALL SELECT id FROM invoice_drafts WHERE status = 'finalised'"
)

# How Temporal marks runs whose workflow tasks fail again and again; docs/operations.md has it as a saved query.
_FAILING_TASKS = (
    f"WorkflowType = '{SUBSCRIPTION}' AND ExecutionStatus = 'Running' AND "
    "TemporalReportedProblems IN ('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"
)
_ROWLESS = text("SELECT id FROM unnest(CAST(:ids AS text[])) AS id EXCEPT SELECT id FROM subscriptions ORDER BY id")
_PREFIX = "sub_"


@dataclass(frozen=True, slots=True)
class Stuck:
    """`late` is by how much (domain time), None when nothing is overdue; `cause` is the best that is known.

    `remedy` is a command, to be typed as it stands but for the reason.
    """

    id: str
    status: str
    due_kind: str | None
    due_at: datetime | None
    late: timedelta | None
    cause: str
    failing: tuple[Failing, ...] = ()
    remedy: str = ""

    @property
    def action(self) -> str | None:
        """The action of support that helps (`retry`); None where none does."""
        words = self.remedy.split()
        return words[2] if words[:2] == ["perennial", "support"] else None


async def find_stuck(engine: Engine) -> list[Stuck]:
    """Most overdue first.

    Raises:
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    running = await running_workflows(engine)
    live = await engine.read(lambda session: set(session.scalars(_LIVE)))
    silent = sorted(live - running)[:ASKED_AT_MOST]
    failing = [run.id async for run in list_runs(engine, _FAILING_TASKS, ASKED_AT_MOST)]
    suspects = await engine.read(lambda session: _suspects(session, engine, [*silent, *failing]))
    lost = await engine.read(lambda session: _rowless(session, running))
    width = asyncio.Semaphore(_WIDTH)

    async def ask(suspect: Stuck) -> Stuck | None:
        async with width:
            return await _diagnosed(engine, suspect, await look_at(engine, suspect.id))

    answers = await asyncio.gather(*(ask(suspect) for suspect in [*suspects, *lost][:ASKED_AT_MOST]))
    return [answer for answer in answers if answer]


async def diagnose(engine: Engine, subject: str) -> Stuck | None:
    """As `find_stuck`, of one alone; None when nothing is wrong with it.

    Raises:
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    run = await look_at(engine, subject)
    suspects = await engine.read(lambda session: _suspects(session, engine, [subject], one=subject))
    if not suspects and run.is_running:
        suspects = await engine.read(lambda session: _rowless(session, {subject}))
    return await _diagnosed(engine, suspects[0], run) if suspects else None


def _suspects(session: Session, engine: Engine, asked: Sequence[str], *, one: str | None = None) -> list[Stuck]:
    late = engine.clock() - lateness(engine)
    found = {"late": late, "silent": list(asked)}
    rows = session.execute(_ONE, found | {"id": one}) if one else session.execute(_SUSPECTS, found)
    return [
        Stuck(
            id=row.id,
            status=row.status,
            due_kind=row.due_kind,
            due_at=row.due_at,
            late=row.reached - row.due_at if row.overdue else None,
            cause=_first_word(never_begun=row.never_begun, parked_at=row.parked_at),
            remedy=_command("unpark", row.id) if row.parked_at else _command("retry", row.id),
        )
        for row in rows
    ]


def _first_word(*, never_begun: bool, parked_at: datetime | None) -> str:
    if parked_at:
        return f"support has parked it ({parked_at:%Y-%m-%d %H:%M} UTC)"
    return "it has not begun" if never_begun else ""


def _rowless(session: Session, running: set[str]) -> list[Stuck]:
    ids = [name for name in running if name.startswith(_PREFIX)]
    cause = "its workflow runs, but its row is missing"
    return [
        Stuck(name, "", None, None, None, cause, remedy=_command("rebuild", name))
        for name in session.scalars(_ROWLESS, {"ids": ids})
    ]


async def _diagnosed(engine: Engine, suspect: Stuck, run: Run) -> Stuck | None:
    """None when it turns out to be at work."""
    if not run.is_running:
        if not suspect.status:
            return None  # it has ended since
        ended = suspect.due_at is None and suspect.status in ("canceled", "expired", "issued")
        cause = "a refund waits, but its workflow has ended" if ended else "no workflow runs for it"
        return replace(suspect, cause=cause, remedy=_command("retry", suspect.id))
    if run.failing:
        worst = max(run.failing, key=lambda failing: failing.attempt)
        cause = f"{worst.activity} fails (attempt {worst.attempt}): {worst.cause}"
        return replace(suspect, cause=cause, failing=run.failing, remedy=_command("retry", suspect.id))
    if run.task_attempts > 1:
        cause = f"its code cannot go on (attempt {run.task_attempts}): {await task_failure(engine, suspect.id)}"
        is_subscription = suspect.id.startswith(_PREFIX)
        back = _command("reset", suspect.id, "--before-error --yes ") if is_subscription else ""
        return replace(suspect, cause=cause, remedy=back or "deploy code that can go on with it")
    if suspect.late is not None or suspect.cause:
        return replace(suspect, cause=suspect.cause or "nothing fails: no worker is there, or it was not woken")
    return None


def _command(name: str, subject: str, options: str = "") -> str:
    return f'perennial support {name} {subject} {options}--reason "..."'
