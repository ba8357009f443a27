"""`perennial check`: the invariants of the books and the workflows. Exit code 1 when one does not hold."""

import asyncio
from typing import Annotated

import typer

from perennial.checks import CHECKS, CheckResult, run_checks
from perennial.checks.telling import announce
from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, of
from perennial.cli.session import FOUND_WRONG, run
from perennial.engine.context import Engine

app = typer.Typer(add_completion=False)

_CHECKS = (
    Column("", lambda result: "[green]ok[/]" if result.ok else "[bold red]WRONG[/]"),
    Column("Check", of("name")),
    Column("Seen", of("detail")),
)
_KNOWN = (Column("Check", of("name")), Column("What holds", of("holds")))


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these checks.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Say what there is.")] = False,
    tell: Annotated[
        bool, typer.Option("--tell", help="Findings go to Slack too (PERENNIAL_SLACK_WEBHOOK_URL).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look whether everything holds: books, numbers, workflows, periods, payments, gateway, messages.

    Exit code 0 when all holds, 1 when something does not.
    """
    if list_them:
        known = [{"name": check.name, "holds": check.holds} for check in CHECKS]
        output.show_list("Checks", _KNOWN, known, as_json=as_json)
        return
    results = run(lambda engine: _look(engine, names or None, tell=tell))
    ok = all(result.ok for result in results)
    if as_json:
        output.print_json({"ok": ok, "checks": results})
    else:
        show_results(results)
    if not ok:
        raise typer.Exit(FOUND_WRONG)


async def _look(engine: Engine, names: list[str] | None, *, tell: bool) -> list[CheckResult]:
    results = await run_checks(engine, names)
    if tell:
        await asyncio.to_thread(announce, engine.settings, results)
    return results


def show_results(results: list[CheckResult]) -> None:
    output.show_table("Checks", _CHECKS, results)
    for result in results:
        for finding in result.findings:
            typer.echo(f"{result.name}: {finding.subject}: {finding.problem}")
