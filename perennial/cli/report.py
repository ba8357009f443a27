"""`perennial report`: every report of the registry is a subcommand, its parameters are options."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, of
from perennial.cli.session import run, within
from perennial.domain.money import Money
from perennial.reports.registry import REPORTS
from perennial.reports.report import Column as ReportColumn
from perennial.reports.report import Kind, Report

app = typer.Typer(add_completion=False, invoke_without_command=True)

_KNOWN = (
    Column("Report", of("name")),
    Column("Title", of("title")),
    Column("Parameters", lambda row: ", ".join(f"--{name.replace('_', '-')}" for name in row["parameters"])),
)


@app.callback()
def report(
    context: typer.Context,
    list_them: Annotated[bool, typer.Option("--list", help="Say what there is.")] = False,
    as_json: Json = False,
) -> None:
    """Reports on what the engine has done. `perennial report NAME --help` defines the columns of one."""
    if context.invoked_subcommand is not None:
        return
    if not list_them:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    known = [
        {"name": one.name, "title": one.title, "parameters": [parameter.name for parameter in one.parameters]}
        for one in REPORTS
    ]
    output.show_list("Reports", _KNOWN, known, as_json=as_json)


def _command(one: Report) -> Callable[..., None]:
    """A function whose parameters are the report's, so that Typer makes options of them."""

    def show(as_json: bool, **given: str | None) -> None:
        parameters = within(lambda: one.parse(given))
        rows = run(lambda engine: engine.read(lambda session: one.run(session, parameters)))
        if as_json:
            output.print_json({"report": one.name, "parameters": parameters, "rows": rows})
        else:
            output.show_table(one.title, [_column(column) for column in one.columns], rows)

    options = [
        inspect.Parameter(
            parameter.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=parameter.default,
            annotation=Annotated[str | None, typer.Option(help=parameter.help, metavar=parameter.kind.upper())],
        )
        for parameter in one.parameters
    ]
    as_json = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json)
    signature = inspect.Signature([*options, as_json])
    show.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads instead of the real one
    show.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return show


def _column(column: ReportColumn) -> Column:
    if column.kind is Kind.MONEY:
        return Column(column.title, lambda row: _amount(row, column.name), right=True)
    return Column(column.title, of(column.name), right=column.kind is Kind.COUNT)


def _amount(row: dict[str, Any], name: str) -> str:
    return str(Money(row[name], row["currency"])) if row[name] else ""


for _report in REPORTS:
    app.command(_report.name, help=_report.definition)(_command(_report))
