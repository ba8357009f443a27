"""How commands show things: tables and records for people, JSON for scripts.

JSON has instants in ISO 8601 (UTC), money in integer minor units beside its currency, decimals as strings. A list is
`{"data": [...], "next": cursor or null}`.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import inspect

from perennial.db.models import Base
from perennial.domain.money import Money

# Nothing is cut off where nobody looks: in a pipe and in a test a table is as wide as it needs.
_PIPE_WIDTH = 250
# Of no use outside: the workflow's own memory, and what a gateway charges with.
_INSIDE = frozenset({"state", "run_id", "token"})

Show = Callable[[Any], str]
_STYLES = {
    "active": "green",
    "paid": "green",
    "succeeded": "green",
    "trialing": "cyan",
    "past_due": "yellow",
    "open": "yellow",
    "incomplete": "yellow",
    "pending": "yellow",
    "unpaid": "red",
    "declined": "red",
    "uncollectible": "red",
    "canceled": "dim",
    "expired": "dim",
    "void": "dim",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`show` words the value of a row; `right` for what is counted."""

    title: str
    show: Show
    right: bool = False


def console() -> Console:
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def of(name: str) -> Show:
    """The attribute (or key) of that name, in words."""
    return lambda row: word(_get(row, name))


def at(name: str) -> Show:
    """An instant, in UTC to the minute."""
    return lambda row: instant(_get(row, name))


def money(name: str) -> Show:
    """Minor units of the row's own currency."""
    return lambda row: str(Money(_get(row, name), _get(row, "currency")))


def status(name: str = "status") -> Show:
    def show(row: Any) -> str:
        value = word(_get(row, name))
        style = _STYLES.get(value)
        return f"[{style}]{value}[/]" if style else value

    return show


def instant(value: datetime | None) -> str:
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"


def word(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return instant(value)
        case Enum():
            return escape(str(value.value))
        case _:
            return escape(str(value))


def show_list(
    title: str, columns: Sequence[Column], rows: Iterable[Any], *, as_json: bool, next_page: str | None = None
) -> None:
    rows = list(rows)
    if as_json:
        print_json({"data": [plain(row) for row in rows], "next": next_page})
        return
    show_table(title, columns, rows)
    if next_page:
        typer.echo(f"More: --after {next_page}", err=True)


def show_table(title: str, columns: Sequence[Column], rows: Iterable[Any]) -> None:
    table = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.right else "left", no_wrap=column.title == "ID", overflow="fold"
        )
    empty = True
    for row in rows:
        empty = False
        table.add_row(*(column.show(row) for column in columns))
    where = console()
    where.print(table if not empty else f"[bold]{title}[/]: none")


def show_record(fields: Mapping[str, str]) -> None:
    """Name and value, a line each; what is empty is left out."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            table.add_row(name, value)
    console().print(table)


def plain(value: Any) -> Any:
    """What JSON can hold."""
    match value:
        case Base():
            names = [attribute.key for attribute in inspect(value).mapper.column_attrs]
            return {name: plain(getattr(value, name)) for name in names if name not in _INSIDE}
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
        case Enum():
            return value.value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value


def print_json(value: Any) -> None:
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def _get(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) else getattr(row, name)
