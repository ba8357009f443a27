"""Logs: one shape for ours, uvicorn's and the Temporal SDK's; for people (console) or for machines (JSON lines)."""

import logging
import sys
from typing import Any

import structlog
from structlog.types import EventDict, Processor
from temporalio import activity, workflow

from perennial.config import Settings
from perennial.observability.defects import raise_levels
from perennial.observability.words import presentable

# Chatty at `info`, and never about our own doing; `perennial api` says itself where it listens.
QUIET_LOGGERS = ("alembic", "uvicorn.access", "uvicorn.error")
# At `debug` these tell rows, bodies and addresses, and so people.
TALKATIVE_LOGGERS = ("httpcore", "httpx", "python_http_client", "sqlalchemy", "stripe", "twilio", "urllib3")
# What the Temporal SDK calls the things that our own lines name too.
_RUN_NAMES = {
    "workflow_id": "workflow_id",
    "run_id": "run_id",
    "workflow_run_id": "run_id",
    "workflow_type": "workflow",
    "activity_type": "activity",
    "attempt": "attempt",
}
# What else is kept of a line of the SDK's core. `failure` is not: Python's own line has told it, without the secrets.
_OF_CORE = ("error", "details")
_LONGEST_WORDS = 300


def configure_logging(settings: Settings, role: str = "") -> None:
    """Once per process, before its first line. Times are UTC; a line for machines says the process's `role`."""
    as_json = settings.log_format == "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        name_the_run,
        *([_name_the_process(role)] if as_json and role else []),
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _name_nobody,
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=_is_colored()),
    ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in (*QUIET_LOGGERS, *TALKATIVE_LOGGERS):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    raise_levels()
    # They would be in the sentence as well as beside it.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


def _name_the_process(role: str) -> Processor:
    def name(_logger: Any, _method: str, line: EventDict) -> EventDict:
        line["process"] = role
        return line

    return name


def name_the_run(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """The SDK hangs dictionaries of its own on its lines: what counts of them, under the names of ours."""
    told = {**(line.pop("temporal_workflow", None) or {}), **(line.pop("temporal_activity", None) or {})}
    if (core := line.pop("temporal_log", None)) is not None:
        told |= core.fields
        line.update({name: str(told[name])[:_LONGEST_WORDS] for name in _OF_CORE if name in told})
    for theirs, ours in _RUN_NAMES.items():
        if theirs in told:
            line.setdefault(ours, told[theirs])
    subject = line.get("workflow_id")
    if isinstance(subject, str) and subject.startswith("sub_"):
        line.setdefault("subscription_id", subject)
    return line


def _name_nobody(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """The last net: no line of ours names a person, but an error of somebody else's may quote one."""
    return {name: presentable(value) if isinstance(value, str) else value for name, value in line.items()}


def _is_colored() -> bool:
    """Colour on a terminal, also on the one behind `perennial dev` (it says so with FORCE_COLOR)."""
    from rich.console import Console

    console = Console()
    return console.is_terminal and not console.no_color
