"""Logs: one shape for ours, uvicorn's and the Temporal SDK's; for people (console) or for machines (JSON lines)."""

import logging
import sys

import structlog
from structlog.types import Processor

from perennial.config import Settings

# Chatty at `info`, and never about our own doing; `perennial api` says itself where it listens.
QUIET_LOGGERS = ("alembic", "httpx", "httpcore", "uvicorn.access", "uvicorn.error")


def configure_logging(settings: Settings) -> None:
    """Once per process, before its first line. Times are UTC."""
    as_json = settings.log_format == "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last += [structlog.dev.ConsoleRenderer(colors=_is_colored(), exception_formatter=structlog.dev.plain_traceback)]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _is_colored() -> bool:
    """Colour on a terminal, also on the one behind `perennial dev` (it says so with FORCE_COLOR)."""
    from rich.console import Console

    console = Console()
    return console.is_terminal and not console.no_color
