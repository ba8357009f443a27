"""`perennial clocks`: test clocks, on which a year passes in about a second."""

from datetime import datetime
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, advanced, instant_option
from perennial.cli.output import Column, at, instant, of
from perennial.cli.session import run
from perennial.db.models import TestClock
from perennial.engine import clocks, pages
from perennial.engine.context import Engine

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Test clocks.")

_CLOCKS = (
    Column("ID", of("id")),
    Column("Name", of("name")),
    Column("Now", at("now")),
    Column("Status", of("status")),
    Column("Target", at("target")),
)


@app.command("list")
def list_clocks(limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """Newest first."""
    page = run(lambda engine: pages.page(engine, TestClock, after=after, limit=limit))
    output.show_list("Test clocks", _CLOCKS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    now: Annotated[datetime | None, instant_option("Where it stands (default: now).")] = None,
    as_json: Json = False,
) -> None:
    """A clock that stands still until it is advanced."""
    _show(run(lambda engine: clocks.create(engine, name=name, now=now or engine.clock())), as_json=as_json)


@app.command()
def show(clock: Annotated[str, typer.Argument(help="clk_...")], as_json: Json = False) -> None:
    """Where a clock stands."""
    _show(run(lambda engine: clocks.get(engine, clock)), as_json=as_json)


@app.command()
def advance(
    clock: Annotated[str, typer.Argument(help="clk_...")],
    by: Annotated[str | None, typer.Option(help="How far: 12h, 30d, 2w, 1mo, 1y.", metavar="DURATION")] = None,
    to: Annotated[datetime | None, instant_option("Where to.")] = None,
    as_json: Json = False,
) -> None:
    """Move a clock and everything that lives on it; returns when all have arrived."""
    if (by is None) == (to is None):
        raise typer.BadParameter("give either --by or --to")

    async def work(engine: Engine) -> TestClock:
        stands = await clocks.get(engine, clock)
        target = to or advanced(stands.now, by or "")
        return await clocks.advance(engine, clock, to=target)

    _show(run(work), as_json=as_json)


def _show(row: TestClock, *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
    else:
        output.show_record({"ID": row.id, "Name": output.word(row.name), "Now": instant(row.now), "Status": row.status})
