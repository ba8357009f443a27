"""`perennial support steps | reset | batch-reset`."""

from dataclasses import dataclass
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, at, of
from perennial.cli.replay import load_workflows
from perennial.cli.session import FOUND_WRONG, note, run, unusable
from perennial.cli.support_care import Actor, Reason, Subscription, who
from perennial.domain.errors import EngineUnavailable
from perennial.engine.context import Engine
from perennial.support import batch, desk
from perennial.support.batch import Item, Outcome
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
_ITEMS = (
    Column("ID", of("subscription")),
    Column("Outcome", of("outcome")),
    Column("To", of("to")),
    Column("", of("words")),
)

_NOT_WELL = (Outcome.LAGGING, Outcome.DECIDED_AGAIN, Outcome.REFUSED)

Go = Annotated[bool, typer.Option("--yes/--dry-run", help="Do it; else it is only shown what would be done.")]


@dataclass(frozen=True, slots=True)
class _Batch:
    """`left` were not looked at, for the reason `cut_off` if a part went away."""

    items: list[Item]
    left: int
    cut_off: str = ""


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


def batch_reset(
    build: Annotated[
        str | None, typer.Option(metavar="ID", help="All that this build of the worker has decided.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Those that a visibility query finds, to before what fails.")
    ] = None,
    go: Go = False,
    reason: Reason = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Reset many, one after the other: to before the first step of a build, or each to before what fails there.

    Safe to repeat: what is well, or was reset already, is left alone. Take the wrong build away first.
    """
    if (build is None) == (query is None):
        unusable("give either --build or --query")
    asking = who(reason, actor) if go else None
    workflows = load_workflows()

    async def work(engine: Engine) -> _Batch:
        ids = await batch.found(engine, build=build, query=query)
        asked = f"build {build}" if build else f"query {query}"
        items = (
            desk.batch_reset(engine, asking, workflows, ids, build=build, asked=asked)
            if asking
            else batch.batch(engine, workflows, ids, build=build)
        )
        done: list[Item] = []
        try:
            async for item in items:
                done.append(item)
                note(f"{len(done)}/{len(ids)} {item.subscription}: {item.outcome.replace('_', ' ')} {item.to}")
        except EngineUnavailable as away:
            return _Batch(done, len(ids) - len(done), away.message)
        return _Batch(done, len(ids) - len(done))

    made = run(work)
    counts = {outcome.value: sum(item.outcome is outcome for item in made.items) for outcome in Outcome}
    if as_json:
        output.print_json({"data": made.items, "counts": counts, "left": made.left, "cut_off": made.cut_off})
    else:
        output.show_table("Batch reset" if go else "Batch reset (dry run)", _ITEMS, made.items)
        typer.echo(", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items() if n) or "none was found")
        if made.left:
            typer.echo(f"{made.left} were not looked at{made.cut_off and f': {made.cut_off}'}. It is safe to repeat.")
        if not go and counts[Outcome.WOULD_RESET]:
            typer.echo("Nothing was done. With --yes and a --reason it is.")
    if made.left or any(counts[outcome] for outcome in _NOT_WELL):
        raise typer.Exit(FOUND_WRONG)


def _show(wanted: Plan, done: Reset | None) -> None:
    if wanted.why:
        typer.echo(f"What went wrong: {wanted.why}")
    output.show_table(f"Again, from {wanted.to}", _AGAIN, wanted.steps)
    if wanted.commands:
        output.show_table("Heard again", _HEARD, wanted.commands)
    new = wanted.charges
    typer.echo(
        f"{len(new)} steps are done for the first time, as they were due; nothing is done twice."
        if new
        else "Every step finds what it has done: nothing is charged."
    )
    if done is None:
        typer.echo("Nothing was done. With --yes and a --reason it is.")
    elif done.is_caught_up:
        typer.echo(f"Reset to {done.to}; it has arrived where it was: {done.status}.")
    else:
        typer.echo(f"Reset to {done.to}; it has not arrived yet. `perennial support stuck` says what holds it.")


def _plain(step: Step) -> dict[str, object]:
    """Without what the step was asked for in all its length."""
    return {name: getattr(step, name) for name in ("number", "at", "name", "words", "activity", "is_done", "build")} | {
        "run_id": step.point.run_id,
        "event": step.point.event,
    }


def register(app: typer.Typer) -> None:
    for command in (steps, reset, batch_reset):
        app.command(command.__name__.replace("_", "-"))(command)
