"""`perennial export`: what is in the engine, for other programs."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from sqlalchemy.orm import Session

from perennial.books.formats import LedgerFormat
from perennial.cli import output
from perennial.cli.options import Json, instant_option
from perennial.cli.session import note, run, unusable

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def export() -> None:
    """What is in the engine, for other programs."""


@app.command()
def ledger(
    format: Annotated[LedgerFormat, typer.Option(help="For whom: accounting, spreadsheets, programs.")] = (
        LedgerFormat.BEANCOUNT
    ),
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; the standard output if not said.")] = None,
    as_of: Annotated[datetime | None, instant_option("Nothing later than this instant.")] = None,
    as_json: Json = False,
) -> None:
    """Every transaction of the ledger, in order.

    beancount: accounts, commodities, transactions, and an assertion of every balance at the end; `bean-check FILE`
    proves it. csv: a row for each entry. json: an object for each transaction. Customers appear by their ids alone.
    `--json` is `--format json`, or with `--out` an answer that says what was written.
    """
    if as_json and out is None:
        format = LedgerFormat.JSON  # noqa: A001 - the option's own name

    def write(session: Session) -> int:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        with _opened(out) as target:
            return _write(target, format.write(session, as_of))

    lines = run(lambda engine: engine.read(write))
    if out is not None:
        answer: dict[str, Any] = {"file": str(out), "format": format.value, "lines": lines}
        if as_json:
            output.print_json(answer)
        else:
            note(f"{lines} lines in {out}")


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """A file comes into being whole or not at all."""
    if out is None:
        yield sys.stdout
        return
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as target:
            yield target
        unfinished.replace(out)
    except OSError as error:
        unusable(f"{out} cannot be written: {error.strerror}")
    finally:
        unfinished.unlink(missing_ok=True)


def _write(target: TextIO, lines: Iterable[str]) -> int:
    count = 0
    for line in lines:
        target.write(f"{line}\n")
        count += 1
    return count
