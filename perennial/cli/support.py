"""`perennial support`: what support staff need when something does not move."""

from typing import Annotated

import typer

from perennial.checks.stuck import Stuck, find_stuck
from perennial.cli import output, support_batch, support_care, support_reset, what_if
from perennial.cli.options import Json
from perennial.cli.output import Column, at, of, status
from perennial.cli.replay import replay
from perennial.cli.session import FOUND_WRONG, run
from perennial.support.story import story

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What support staff need.")


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
    Column("Remedy", of("remedy")),
)
_STORY = (
    Column("When (UTC)", lambda entry: f"{entry.at:%Y-%m-%d %H:%M:%S}"),
    Column("", lambda entry: "" if entry.when == "past" else entry.when),
    Column("Kind", of("kind")),
    Column("By", of("actor")),
    Column("What", of("text")),
)


@app.command()
def stuck(as_json: Json = False) -> None:
    """What does not move although it should, why, and what to do. Exit code 1 when there is something.

    Overdue subscriptions and gifts, those without a workflow or without a row, workflow code and activities that fail
    again and again, what is parked; with the cause that Temporal has of it and one command that helps.
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
    """The story of a subscription or gift: decisions, invoices, payments, messages; who asked for what, what support
    did and why, what fails now, and what it will do by itself.
    """
    output.show_list(f"Timeline of {subject}", _STORY, run(lambda engine: story(engine, subject)), as_json=as_json)


app.command()(replay)
support_reset.register(app)
support_batch.register(app)
support_care.register(app)
app.command()(what_if.what_if)
