"""`perennial meters`: what is counted."""

import re
from typing import Annotated, Any

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, of
from perennial.cli.session import run, unusable, within
from perennial.db.models import Meter
from perennial.domain import usage as core
from perennial.domain.usage import Aggregation, Comparison, Filter
from perennial.engine import meters, pages

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Meters: what is counted, and how.")

_CONDITION = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.:-]*)(?:(!=|>=|<=|=|>|<)(.*))?")
_SIGNS = {
    "=": Comparison.EQ,
    "!=": Comparison.NE,
    ">": Comparison.GT,
    ">=": Comparison.GTE,
    "<": Comparison.LT,
    "<=": Comparison.LTE,
}


def _filters(row: Meter) -> str:
    signs = {comparison.value: sign for sign, comparison in _SIGNS.items()} | {"in": "=", "exists": ""}
    return " ".join(f"{part['property']}{signs[part['comparison']]}{','.join(part['values'])}" for part in row.filters)


_METERS = (
    Column("Code", of("code")),
    Column("Name", of("name")),
    Column("Event", of("event")),
    Column("Counts", of("aggregation")),
    Column("Of", of("property")),
    Column("Only", _filters),
    Column("Archived", at("archived_at")),
)


@app.command("list")
def list_meters(limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """All meters, newest first."""
    page = run(lambda engine: pages.page(engine, Meter, after=after, limit=limit))
    output.show_list("Meters", _METERS, page.items, as_json=as_json, next_page=page.next)


@app.command()
def show(code: str, as_json: Json = False) -> None:
    """One meter."""
    _show(run(lambda engine: meters.get(engine, code)), as_json=as_json)


@app.command()
def create(
    code: Annotated[str, typer.Argument(help="How plans call it, for example api_calls.")],
    event: Annotated[str, typer.Option(help="The name of the events that it looks at.")],
    name: Annotated[str | None, typer.Option(help="How people read it (default: the code).")] = None,
    count: Annotated[Aggregation, typer.Option("--aggregation", help="What becomes of them.")] = Aggregation.COUNT,
    of_property: Annotated[
        str | None, typer.Option("--property", help="What is added up, counted once, ...: all but `count` need it.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", help="Only such events: region=eu,us  status!=500  size>=10  premium", metavar="CONDITION"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """A meter, which never changes. It counts also what came before it."""
    conditions = only or ()
    terms = within(
        lambda: core.Meter(
            code, name or code, event, count, of_property, tuple(_condition(each) for each in conditions)
        )
    )
    _show(run(lambda engine: meters.create(engine, terms)), as_json=as_json)


@app.command()
def archive(code: str, as_json: Json = False) -> None:
    """No new plan can use it; those that do go on counting."""
    _show(run(lambda engine: meters.archive(engine, code)), as_json=as_json)


def _condition(text: str) -> Filter:
    """`region=eu,us`, `size>=10`, or a property that has to be there."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        unusable(f"--filter: {text!r} is no condition; write region=eu,us or size>=10")
    name, sign, value = match.groups()
    if sign is None:
        return Filter(name, Comparison.EXISTS)
    values = tuple(value.split(",")) if sign == "=" else (value,)
    return Filter(name, Comparison.IN if len(values) > 1 else _SIGNS[sign], values)


def _show(row: Meter, *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
        return
    fields: dict[str, Any] = {column.title: column.show(row) for column in _METERS}
    output.show_record(fields)
