"""`perennial chaos`: everything goes wrong at once, and then it is judged. Exit code 0 only if nothing was lost."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.runtime import Runtime, TelemetryConfig

from perennial.chaos import defects, summary
from perennial.chaos.director import steps
from perennial.chaos.house import House
from perennial.chaos.kinds import ALL, Kind, UnknownKind, parse
from perennial.chaos.population import Group, populate
from perennial.chaos.run import run
from perennial.chaos.verdict import Verdict
from perennial.cli.demo import MOST_MONTHS, MOST_SEEDS, PIPE_WIDTH, check_writable, number
from perennial.cli.session import FOUND_WRONG, unusable

MOST_SUBSCRIPTIONS = 2_000

app = typer.Typer(add_completion=False)


@app.command()
def chaos(
    subscriptions: Annotated[str, typer.Option(metavar="N", help="How many subscriptions.")] = "200",
    months: Annotated[str, typer.Option(metavar="N", help="How many months pass.")] = "6",
    seed: Annotated[str, typer.Option(metavar="N", help="Another seed is another population and other faults.")] = "1",
    faults: Annotated[str, typer.Option(metavar="KINDS", help=f"all, none, or some of: {', '.join(Kind)}.")] = ALL,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to it.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the data folder behind, for a look.")] = False,
) -> None:
    """A population on test clocks, while workers die, servers restart and the gateway loses answers.

    Everything happens in a throw-away folder. When it is quiet again, the gateway's own ledger says what was taken, and
    the calendar what was due.
    """
    people = number("--subscriptions", subscriptions, 1, MOST_SUBSCRIPTIONS)
    duration = number("--months", months, 1, MOST_MONTHS)
    chosen = number("--seed", seed, 0, MOST_SEEDS)
    kinds = _kinds(faults)
    check_writable(json_file)
    groups = populate(people, duration, chosen)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _end)
    # A shell starts what is in its background deaf to Ctrl-C; whoever sends it nevertheless means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    out = Console() if Console().is_terminal else Console(width=PIPE_WIDTH)
    house = House(keep=keep, defect=os.environ.get(defects.VARIABLE))
    try:
        with house:
            verdict = asyncio.run(_play(out, house, groups, chosen, duration, kinds))
    except KeyboardInterrupt:
        out.print("Stopped before the end: nothing was judged.")
        raise typer.Exit(FOUND_WRONG) from None
    finally:
        if house.kept:
            out.print(f"The data folder is {house.kept}")
    seconds = time.monotonic() - started
    summary.show(out, verdict)
    out.print(
        f"{'Nothing was lost, nothing done twice.' if verdict.ok else 'It is NOT right.'} It took {seconds:.0f} s."
    )
    if json_file:
        json_file.write_text(json.dumps(verdict.as_dict(seconds), indent=2) + "\n")
    if not verdict.ok:
        raise typer.Exit(FOUND_WRONG)


def _kinds(text: str) -> frozenset[Kind]:
    try:
        return parse(text)
    except UnknownKind as error:
        unusable(f"--faults: {error}")


def _end(_number: int, _frame: FrameType | None) -> None:
    """As Ctrl-C: everything is put away."""
    raise KeyboardInterrupt


async def _play(
    out: Console, house: House, groups: Sequence[Group], seed: int, months: int, kinds: frozenset[Kind]
) -> Verdict:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        console=out,
    )
    # The SDK's own words about servers that are away: here they are away on purpose.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    with bar:
        task = bar.add_task(f"{months} months of chaos", total=steps(groups))
        return await run(
            house,
            groups,
            seed=seed,
            months=months,
            kinds=kinds,
            tick=lambda: bar.advance(task),
            defect=os.environ.get(defects.VARIABLE),
        )
