"""`perennial timeline`: what happened to a subscription or gift, in one order, in words."""

from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, of
from perennial.cli.session import run
from perennial.engine import timeline as engine_timeline

app = typer.Typer(add_completion=False)

_ENTRIES = (
    Column("When (UTC)", lambda entry: f"{entry.at:%Y-%m-%d %H:%M:%S}"),
    Column("Kind", of("kind")),
    Column("By", of("actor")),
    Column("What", of("text")),
)


@app.command()
def timeline(
    subject: Annotated[str, typer.Argument(metavar="ID", help="sub_... or gift_...")], as_json: Json = False
) -> None:
    """The story of a subscription or gift: decisions, invoices, payments, messages."""
    entries = run(lambda engine: engine_timeline.timeline(engine, subject))
    output.show_list(f"Timeline of {subject}", _ENTRIES, entries, as_json=as_json)
