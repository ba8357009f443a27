"""`perennial findings`: what the reconciliation and the scheduled checks have found."""

from enum import StrEnum
from typing import Annotated

import typer

from perennial.checks.tours import go_round
from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, of, status
from perennial.cli.session import FOUND_WRONG, run
from perennial.contracts.reconciliation import Tour
from perennial.db.models import Finding
from perennial.engine import pages
from perennial.engine.context import Engine
from perennial.ports import Page

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What differs, and since when.")


class Shown(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


_FINDINGS = (
    Column("ID", of("id")),
    Column("Status", status()),
    Column("Source", of("source")),
    Column("Kind", of("kind")),
    Column("Subject", of("subject")),
    Column("Detail", of("detail")),
    Column("Since", at("first_seen")),
    Column("Repair", of("repair")),
)


@app.command("list")
def list_findings(
    show: Annotated[Shown, typer.Option("--status", help="Which ones.")] = Shown.OPEN,
    source: Annotated[str | None, typer.Option(help="Only of this one: gateway:stripe, spans_tile.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Newest first."""
    filters = {"status": None if show is Shown.ALL else show.value, "source": source}
    page = run(lambda engine: pages.page(engine, Finding, after=after, limit=limit, filters=filters))
    output.show_list("Findings", _FINDINGS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def refresh(
    tour: Annotated[Tour, typer.Argument(help="Which tour.")] = Tour.GATEWAYS,
    as_json: Json = False,
) -> None:
    """Look now instead of at the next hour (or night), and list what is open after it. Nothing is mended.

    Exit code 0 when nothing is open, 1 when something is.
    """
    page = run(lambda engine: _refreshed(engine, tour))
    output.show_list("Findings", _FINDINGS, page.items, as_json=as_json, next_page=page.next)
    if page.items:
        raise typer.Exit(FOUND_WRONG)


async def _refreshed(engine: Engine, tour: Tour) -> Page[Finding]:
    await go_round(engine, tour)
    return await pages.page(engine, Finding, limit=PAGE, filters={"status": "open"})
