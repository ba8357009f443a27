"""`perennial support replay`: whether today's code decides as it did when the histories were recorded."""

from collections.abc import Sequence
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, of
from perennial.cli.session import FOUND_WRONG, run, unusable, within

_DIFFERENT = (
    Column("ID", of("id")),
    Column("Event", lambda row: str(row.difference.event or "")),
    Column("When (UTC)", lambda row: f"{row.difference.at:%Y-%m-%d %H:%M:%S}" if row.difference.at else ""),
    Column("Recorded", lambda row: row.difference.recorded),
    Column("Today's code wants", lambda row: row.difference.wanted),
)


def load_workflows() -> Sequence[type]:
    """The workflow code of this installation. Ends the command where there is none."""
    from perennial.cli.process import load_application

    workflows: Sequence[type] = within(lambda: load_application("workflows.registry", "WORKFLOWS"))
    return workflows


def replay(
    subject: Annotated[str | None, typer.Argument(metavar="[ID]", help="sub_..., gift_..., inv_... or mig_...")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every run that Temporal still has and nobody has terminated.")
    ] = False,
    query: Annotated[
        str | None, typer.Option(help="Those that a visibility query finds, e.g. PlanCode = 'team-monthly'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Runs recorded histories against today's workflow code. Exit code 1 when one differs.

    Nothing is written and no activity runs. The first differing step is told: its event, what was recorded, and what
    the code wants now; also an amount or a date that Temporal's own replay does not compare.
    """
    if sum((subject is not None, every, query is not None)) != 1:
        unusable("give an id, or --all, or --query")
    # Not sooner: the Temporal worker is slow to import.
    from perennial.checks.replay import EVERYTHING, replay_many, replay_one

    workflows = load_workflows()
    if subject is not None:
        runs = run(lambda engine: replay_one(engine, workflows, subject))
    else:
        chosen = EVERYTHING if query is None else f"{EVERYTHING} AND ({query})"
        runs = run(lambda engine: replay_many(engine, workflows, chosen))
    different = [each for each in runs if each.difference]
    if as_json:
        output.print_json({"runs": len(runs), "different": different})
    else:
        if different:
            output.show_table("Decided otherwise", _DIFFERENT, different)
        typer.echo(f"{len(runs)} runs replayed, {len(different)} differ.")
    if different:
        raise typer.Exit(FOUND_WRONG)
