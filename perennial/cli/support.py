"""`perennial support`: what support staff need when something does not move."""

from typing import Annotated

import typer
from sqlalchemy.orm import Session

from perennial.checks.stuck import Stuck, find_stuck, look_at
from perennial.cli import output
from perennial.cli import timeline as timeline_command
from perennial.cli.nudge import nudge, try_activity_now
from perennial.cli.options import Json
from perennial.cli.output import Column, at, of, status
from perennial.cli.replay import replay
from perennial.cli.session import FOUND_WRONG, run
from perennial.db.models import Base, CreditNote, Gift, OneOffInvoice, PlanMigration, Subscription
from perennial.domain.errors import CommandRefused, NotFound
from perennial.engine import credit_notes, one_off, plan_migrations, runs
from perennial.engine.context import Engine

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What support staff need.")
app.command()(replay)


def _late(row: Stuck) -> str:
    if row.late is None:
        return ""
    hours, rest = divmod(int(row.late.total_seconds()), 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {rest // 60} min"  # noqa: PLR2004 - a day


_STUCK = (
    Column("ID", of("id")),
    Column("Status", status()),
    Column("Due", of("due_kind")),
    Column("Since", at("due_at")),
    Column("Late", _late),
    Column("Cause", of("cause")),
)


@app.command()
def stuck(as_json: Json = False) -> None:
    """What does not move although it should, and why. Exit code 1 when there is something.

    Overdue subscriptions and gifts, those without a workflow, and activities that fail again and again, with the
    cause that Temporal has of them.
    """
    found = run(find_stuck)
    if as_json:
        output.print_json({"data": found, "next": None})
    else:
        output.show_table("Stuck", _STUCK, found)
    if found:
        raise typer.Exit(FOUND_WRONG)


@app.command()
def timeline(
    subject: Annotated[str, typer.Argument(metavar="ID", help="sub_... or gift_...")], as_json: Json = False
) -> None:
    """The story of a subscription or gift: decisions, invoices, payments, messages."""
    timeline_command.timeline(subject, as_json)


@app.command()
def retry(
    subject: Annotated[str, typer.Argument(metavar="ID", help="sub_..., gift_..., inv_..., cn_... or mig_...")],
    as_json: Json = False,
) -> None:
    """Try now what is stuck: a failing activity, what is overdue, an open invoice. Nothing is ever charged twice."""
    did = run(lambda engine: _retry(engine, subject))
    if as_json:
        output.print_json({"id": subject, "did": did})
    else:
        typer.echo(f"{subject}: {did}")


async def _retry(engine: Engine, subject: str) -> str:
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
    return again + (await nudge(engine, subject)).did


async def _repaired(engine: Engine, subject: str) -> bool:
    """Whether a workflow was missing that its row alone can bring back."""
    return (
        await plan_migrations.repair(engine, subject)
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
    """Raises NotFound when it is nothing that has a workflow."""
    if session.get(Subscription, subject):
        return True
    others: tuple[type[Base], ...] = (Gift, PlanMigration, OneOffInvoice, CreditNote)
    if all(session.get(kind, subject) is None for kind in others):
        raise NotFound("subscription or gift", subject)
    return False
