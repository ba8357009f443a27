"""Trying now what is stuck: a failing activity, a missing workflow, what is overdue, an open invoice."""

from sqlalchemy.orm import Session

from perennial.checks.look import look_at
from perennial.db.models import Base, BatchReset, CreditNote, Gift, OneOffInvoice, PlanMigration, Subscription
from perennial.domain.errors import CommandRefused, NotFound
from perennial.engine import credit_notes, one_off, plan_migrations, runs
from perennial.engine.context import Engine
from perennial.support import batch_resets
from perennial.support.nudge import nudge, try_activity_now

_OTHERS: tuple[type[Base], ...] = (Gift, PlanMigration, BatchReset, OneOffInvoice, CreditNote)


async def retry(engine: Engine, subject: str, actor: str = "cli") -> str:
    """What was done, in words. Nothing is ever charged twice.

    Raises:
        NotFound: nothing that has a workflow has this id.
        CommandRefused: nothing can be tried.
        EngineUnavailable.
    """
    is_subscription = await engine.read(lambda session: _is_subscription(session, subject))
    run_now = await look_at(engine, subject)
    if not run_now.is_running and await _repaired(engine, subject):
        return "its workflow was missing and is started again"
    for failing in run_now.failing:
        await try_activity_now(engine, subject, failing)
    if run_now.failing:
        names = ", ".join(f"{failing.activity} (attempt {failing.attempt})" for failing in run_now.failing)
        return f"tries again now: {names}"
    if not is_subscription:
        if run_now.is_running or not subject.startswith("gift_"):
            return "nothing fails"
        raise CommandRefused(subject, "no workflow runs for this gift; cancelling or claiming it starts one again")
    again = await _start_again(engine, subject) if not run_now.is_running else ""
    return again + (await nudge(engine, subject, actor)).did


async def _repaired(engine: Engine, subject: str) -> bool:
    """Whether a workflow was missing that its row alone can bring back."""
    return (
        await plan_migrations.repair(engine, subject)
        or await batch_resets.repair(engine, subject)
        or await one_off.repair(engine, subject)
        or await credit_notes.repair(engine, subject)
    )


async def _start_again(engine: Engine, subscription: str) -> str:
    """From the state that was recorded last. One that has ended needs no workflow."""
    row = await engine.read(lambda session: session.get_one(Subscription, subscription))
    if row.ended_at:
        return ""
    await runs.repair(engine, row)
    return "its workflow was missing and is started again; "


def _is_subscription(session: Session, subject: str) -> bool:
    if session.get(Subscription, subject):
        return True
    if all(session.get(kind, subject) is None for kind in _OTHERS):
        raise NotFound("subscription or gift", subject)
    return False
