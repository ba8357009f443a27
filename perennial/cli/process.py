"""`api`, `worker`, `relay`, `migrate`: one process each, as production runs them."""

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from perennial.config import Settings, load_settings
from perennial.observability import observed
from perennial.stack.process import StackError

SHUTDOWN_SECONDS = 10


def api(
    host: Annotated[str | None, typer.Option(help="The interface to listen on (PERENNIAL_API_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (PERENNIAL_API_PORT).")] = None,
) -> None:
    """The HTTP API until SIGTERM; requests under way are finished first."""
    import structlog
    import uvicorn

    with _process("api") as settings:
        host, port = host or settings.api_host, settings.api_port if port is None else port
        structlog.get_logger(__name__).info("api_starts", host=host, port=port)
        application = load_application("api.app", "create_app")(settings)
        # What is loaded by now is never garbage: looking through it again and again costs a batch of events 15 % more.
        gc.collect()
        gc.freeze()
        uvicorn.run(
            application,
            host=host,
            port=port,
            log_config=None,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            server_header=False,
        )


def worker() -> None:
    """The Temporal worker until SIGTERM; activities under way are finished first."""
    with _process("worker") as settings:
        load_application("worker", "main")(settings)


def relay() -> None:
    """Delivers what the outbox holds until SIGTERM."""
    from perennial.relay import main

    with _process("relay") as settings:
        main(settings)


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the migrations are in step with the models.")
    ] = False,
) -> None:
    """Brings the database up to date.

    With --check nothing of yours is touched: a throw-away PostgreSQL is migrated and compared with the models.
    """
    from perennial.cli.migrations import in_step, upgrade

    if not check:
        revision = upgrade(load_settings().require_database_url())
        typer.echo(f"The database is at revision {revision}.")
        return
    differences = in_step()
    for difference in differences:
        typer.echo(difference, err=True)
    if differences:
        raise typer.Exit(1)
    typer.echo("The migrations are in step with the models.")


@contextmanager
def _process(role: str) -> Iterator[Settings]:
    """Those of a process of production: both addresses are known, or it ends before it begins."""
    settings = load_settings()
    settings.require_database_url()
    settings.require_temporal_address()
    with observed(settings, role):
        yield settings


def load_application(module: str, name: str) -> Any:
    """A part of the application, which only the source tree and the container image hold."""
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise StackError(
            f"{module} is not installed: the wheel holds the library `perennial` alone. "
            "Run from the source tree (`make install`) or the container image."
        ) from None
