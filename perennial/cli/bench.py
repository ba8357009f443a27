"""`perennial bench NAME`: a measurement beside its ceiling in the same run."""

import importlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from perennial.stack.process import StackError

TARGET_RATIO = 0.35
TARGET_EVENTS = 5000

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def bench() -> None:
    """A measurement beside its ceiling in the same run."""


@app.command()
def renewals(
    subscriptions: Annotated[int, typer.Option(min=1, max=20_000, help="How many fall due at one instant.")] = 500,
    rounds: Annotated[int, typer.Option(min=1, max=99, help="Medians are taken over so many rounds.")] = 3,
    cold: Annotated[
        bool, typer.Option("--cold", help="Replace the worker while they sleep: every wake-up replays.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Subscriptions that fall due together, beside a bare workflow (timer, one empty activity, next timer)."""
    console = Console(stderr=True)
    result = _measurement("bench.renewals").compare(subscriptions, rounds, cold=cold, say=console.print)
    if json_file:
        json_file.write_text(json.dumps(result.as_dict(), indent=2) + "\n")
    _show(result)


@app.command()
def usage(
    events: Annotated[int, typer.Option(min=1000, max=10_000_000, help="How many are sent in a round.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, max=99, help="Medians are taken over so many rounds.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Usage events over HTTP in batches of 1,000, beside COPY of the same rows into an equal table."""
    console = Console(stderr=True)
    result = _measurement("bench.usage").compare(events, rounds, say=console.print)
    if json_file:
        json_file.write_text(json.dumps(result.as_dict(), indent=2) + "\n")
    table = Table(title=f"{result.events} usage events a round in batches of 1,000, medians")
    for heading in ("", "the API", "COPY alone"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, field in _USAGE_ROWS:
        table.add_row(name, *(f"{getattr(side, field):,.1f}" for side in (result.ours, result.copy)))
    console = Console()
    console.print(table)
    console.print(f"ratio: {result.ratio:.2f} (the target is {TARGET_EVENTS:,} events a second or more)")


def _show(result: Any) -> None:
    table = Table(title=f"{result.subscriptions} subscriptions due at one instant, medians")
    for heading in ("", "ours", "bare workflow"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, field in _ROWS:
        table.add_row(name, *(f"{getattr(side, field):.2f}" for side in (result.ours, result.bare)))
    console = Console()
    console.print(table)
    console.print(f"ratio: {result.ratio:.2f} (the target is {TARGET_RATIO} or more)")


_ROWS = (
    ("renewals a second", "rate"),
    ("history events a renewal", "events"),
    ("SQL transactions a renewal", "transactions"),
    ("CPU of the Temporal server, ms", "server_cpu_ms"),
    ("CPU of the worker, ms", "worker_cpu_ms"),
    ("CPU of PostgreSQL, ms", "postgres_cpu_ms"),
)
_USAGE_ROWS = (
    ("events a second", "rate"),
    ("CPU of the API for 1,000 events, ms", "api_cpu_ms"),
    ("CPU of PostgreSQL for 1,000 events, ms", "postgres_cpu_ms"),
)


def _measurement(module: str) -> Any:
    """Measurements stand beside the engine in the source tree; the wheel does not hold them."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            raise
        raise StackError("measurements are run from the source tree, not from the installed package") from None
