"""`perennial support steps | reset`."""

from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, at, of
from perennial.cli.replay import load_workflows
from perennial.cli.session import FOUND_WRONG, run, unusable
from perennial.cli.support_care import Actor, Reason, Subscription, who
from perennial.engine.context import Engine
from perennial.support import desk
from perennial.support.plan import Plan
from perennial.support.reset import Reset, life, planned
from perennial.support.steps import Step

_STEPS = (
    Column("No", of("number"), right=True),
    Column("When (UTC)", at("at")),
    Column("Step", of("name")),
    Column("What", of("words")),
    Column("Done", of("is_done")),
    Column("Build", of("build")),
)
_AGAIN = (
    Column("No", of("number"), right=True),
    Column("Step", of("name")),
    Column("First time", lambda step: "" if step.is_done else "yes"),
    Column("What it finds", of("found")),
)
_HEARD = (Column("Command", of("command")), Column("Of", of("at")), Column("By", of("actor")))
Go = Annotated[bool, typer.Option("--yes/--dry-run", help="Do it; else it is only shown what would be done.")]


def steps(subscription: Subscription, as_json: Json = False) -> None:
    """The life of a subscription as steps, by the names that `reset --to` knows."""
    _, found = run(lambda engine: life(engine, subscription))
    shown = [_plain(step) for step in found] if as_json else found
    output.show_list(f"Steps of {subscription}", _STEPS, shown, as_json=as_json)


def reset(
    subscription: Subscription,
    to: Annotated[
        str | None, typer.Option(metavar="STEP", help="A step's number or name, see `support steps`.")
    ] = None,
    before_error: Annotated[bool, typer.Option("--before-error", help="To before what went wrong.")] = False,
    go: Go = False,
    reason: Reason = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Set it back to a step: from there its story is told again by the code of today. First shown, done with --yes.

    What it has done is found under its business key: nothing is charged, issued or given back twice. Commands that came
    later are heard again in their order. Refused while a charge is in flight.
    """
    if (to is None) != before_error:
        unusable("give either --to STEP or --before-error")
    asking = who(reason, actor) if go else None
    workflows = load_workflows() if before_error else None

    async def work(engine: Engine) -> tuple[Plan, Reset | None]:
        wanted = await planned(engine, subscription, to=to, workflows=workflows)
        return wanted, await desk.reset(engine, asking, wanted) if asking else None

    wanted, done = run(work)
    if as_json:
        output.print_json({"plan": wanted, "done": done})
    else:
        _show(wanted, done)
    if done and not done.is_caught_up:
        raise typer.Exit(FOUND_WRONG)


def _show(wanted: Plan, done: Reset | None) -> None:
    if wanted.why:
        typer.echo(f"What went wrong: {wanted.why}")
    output.show_table(f"Again, from {wanted.to}", _AGAIN, wanted.steps)
    if wanted.commands:
        output.show_table("Heard again", _HEARD, wanted.commands)
    typer.echo(_sum(wanted))
    if done is None:
        typer.echo("Nothing was done. With --yes and a --reason it is.")
    elif done.is_caught_up:
        typer.echo(f"Reset to {done.to}; it has arrived where it was: {done.status}.")
    else:
        typer.echo(f"Reset to {done.to}; it has not arrived yet. `perennial support stuck` says what holds it.")


def _sum(wanted: Plan) -> str:
    if wanted.charges:
        return f"{len(wanted.charges)} steps are done for the first time, as they were due; nothing is done twice."
    if wanted.steps:
        return "Every step finds what it has done: nothing is charged."
    return "No step is done again. What was decided last is decided anew, and done as it is due."


def _plain(step: Step) -> dict[str, object]:
    """Without what the step was asked for in all its length."""
    return {name: getattr(step, name) for name in ("number", "at", "name", "words", "activity", "is_done", "build")} | {
        "run_id": step.point.run_id,
        "event": step.point.event,
    }


def register(app: typer.Typer) -> None:
    for command in (steps, reset):
        app.command(command.__name__.replace("_", "-"))(command)
