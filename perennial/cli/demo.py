"""`perennial demo`: a finite showcase on the real engine. Exit code 0 only when every check holds."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from perennial.cli.session import FOUND_WRONG, unusable
from perennial.config import Settings
from perennial.demo import director, papers, summary
from perennial.demo.population import Group, populate
from perennial.demo.stage import engine_of, stage
from perennial.demo.verdict import Verdict, judge

MOST_CUSTOMERS = 2_000
MOST_MONTHS = 120
MOST_SEEDS = 2**63 - 1
# In a pipe nothing is folded that a person would want to search for.
PIPE_WIDTH = 160

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    customers: Annotated[str, typer.Option(metavar="N", help="How many customers.")] = "20",
    months: Annotated[str, typer.Option(metavar="N", help="How many months pass.")] = "12",
    seed: Annotated[str, typer.Option(metavar="N", help="Another seed is another population.")] = "1",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to it.")] = None,
    papers_folder: Annotated[
        Path | None,
        typer.Option("--papers", metavar="FOLDER", help="Write all invoices and the ledger (for bean-check) into it."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Leave everything in this new folder, for `perennial dev --data-dir`."),
    ] = None,
) -> None:
    """Customers live their lives on test clocks: real Temporal, real PostgreSQL, a simulated gateway.

    Everything happens in a throw-away folder, unless it is kept. The checks at the end judge the engine from outside.
    """
    people = number("--customers", customers, 1, MOST_CUSTOMERS)
    duration = number("--months", months, 1, MOST_MONTHS)
    groups = populate(people, duration, number("--seed", seed, 0, MOST_SEEDS))
    check_writable(json_file)
    _make_folder(papers_folder)
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        unusable(f"--keep: {keep} is there already and not empty; name a new folder")
    started = time.monotonic()
    out = Console() if Console().is_terminal else Console(width=PIPE_WIDTH)
    with stage(keep.resolve() if keep else None) as settings:
        verdict = asyncio.run(_play(out, settings, groups, duration, papers_folder))
    seconds = time.monotonic() - started
    out.print(f"{'Every check holds.' if verdict.ok else 'NOT every check holds.'} It took {seconds:.0f} s.")
    if keep:
        out.print(f"Kept. `perennial dev --data-dir {keep}` serves it: API, dashboard, Temporal UI; then, beside it:")
        out.print(f"  PERENNIAL_DATA_DIR={keep} perennial support replay --all")
    if json_file:
        json_file.write_text(json.dumps(verdict.as_dict(seconds), indent=2) + "\n")
    if not verdict.ok:
        raise typer.Exit(FOUND_WRONG)


def number(option: str, text: str, least: int, most: int) -> int:
    """Read here and not by Typer, whose complaint is a box of five lines."""
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        unusable(f"{option}: {text!r} is not a whole number between {least} and {most}")
    return int(text)


def check_writable(file: Path | None) -> None:
    try:
        if file is not None:
            file.touch()
    except OSError as error:
        unusable(f"--json: {file} cannot be written ({error.strerror})")


def _make_folder(folder: Path | None) -> None:
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        unusable(f"--papers: {folder} cannot be made ({error.strerror})")


async def _play(out: Console, settings: Settings, groups: Sequence[Group], months: int, folder: Path | None) -> Verdict:
    async with engine_of(settings) as engine:
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f}%"), TimeElapsedColumn()
        )
        with bar:
            task = bar.add_task(
                f"{months} months on {len(groups)} test clock{'s'[: len(groups) > 1]}", total=director.steps(groups)
            )
            diary = await director.play(engine, groups, lambda: bar.advance(task))
        verdict = await judge(engine, groups, months, diary)
        await summary.show(out, engine, groups, diary, verdict)
        if folder is not None:
            out.print(f"{await papers.write(engine, folder)} files in {folder}")
    return verdict
