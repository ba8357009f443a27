"""One command, one engine: open it, do the work, and put every foreseen failure into one line.

Exit codes: 1 when the engine refuses or is away, 2 when what was asked for can never be right.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import typer
from sqlalchemy.exc import InternalError, OperationalError, ProgrammingError
from temporalio.service import RPCError

from perennial.config import PREFIX, Settings, SettingsError, load_settings
from perennial.domain.errors import InvalidInput, NotFound, PerennialError
from perennial.engine.context import Engine, open_engine

T = TypeVar("T")

FOUND_WRONG = 1
UNUSABLE = 2
_NO_TABLE = "42P01"
_NO_COLUMN = "42703"
_READ_ONLY = "25006"


def run(work: Callable[[Engine], Awaitable[T]]) -> T:
    """Do the work of a command with the engine that the settings lead to."""
    return within(lambda: asyncio.run(_with_engine(load_settings(), work)))


def within(work: Callable[[], T]) -> T:
    """Run it; a failure that is foreseen ends the command with its line and exit code."""
    try:
        return work()
    except PerennialError as error:
        _fail(_words(error), UNUSABLE if _is_unusable(error) else FOUND_WRONG)
    except SettingsError as error:
        _fail(str(error), UNUSABLE)
    except OperationalError as error:
        _fail(f"the database does not answer ({PREFIX}DATABASE_URL): {_first_line(error)}", FOUND_WRONG)
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) not in (_NO_TABLE, _NO_COLUMN):
            raise
        _fail("the database is not up to date: run `perennial migrate`", FOUND_WRONG)
    except InternalError as error:
        if getattr(error.orig, "pgcode", None) != _READ_ONLY:
            raise
        _fail(
            f"the database is a replica, where reports can read and nothing can be written ({PREFIX}DATABASE_URL)",
            FOUND_WRONG,
        )
    except RPCError as error:
        _fail(f"Temporal refuses ({PREFIX}TEMPORAL_ADDRESS): {error.message}", FOUND_WRONG)


async def _with_engine(settings: Settings, work: Callable[[Engine], Awaitable[T]]) -> T:
    settings.require_database_url()
    settings.require_temporal_address()
    engine = await open_engine(settings)
    try:
        return await work(engine)
    finally:
        engine.close()


def unusable(text: str) -> NoReturn:
    """End the command: its arguments make no sense."""
    _fail(text, UNUSABLE)


def note(text: str) -> None:
    """For people: beside the output, which scripts read."""
    typer.echo(text, err=True)


def _is_unusable(error: PerennialError) -> bool:
    """Also when it was the workflow that found it: its refusals keep the code of what it raised."""
    return isinstance(error, InvalidInput | NotFound) or error.code in _codes(InvalidInput)


def _codes(kind: type[PerennialError]) -> set[str]:
    return {kind.code}.union(*(_codes(child) for child in kind.__subclasses__()))


def _words(error: PerennialError) -> str:
    field = f" ({error.field})" if isinstance(error, InvalidInput) and error.field else ""
    return f"{error.code}: {error}{field}"


def _first_line(error: OperationalError) -> str:
    return next(iter(str(error.orig).strip().splitlines()), "no reason given")


def _fail(text: str, code: int) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)
