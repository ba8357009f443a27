"""Errors to Sentry: where they happened and what they are called. What an error says may quote a person, and stays.

Sentry's defaults send local variables, source lines and request bodies; here the event is built anew from a list.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration

from perennial.config import Settings
from perennial.observability.logs import name_the_run

_LAST_SECONDS = 2.0
_KEPT = ("event_id", "timestamp", "level", "platform", "logger", "release", "environment", "transaction", "sdk")
_FRAME = ("filename", "function", "module", "lineno", "in_app")
_TAGS = ("request_id", "subscription_id", "workflow_id", "run_id", "activity", "attempt")


def configure_sentry(settings: Settings, role: str) -> Callable[[], None]:
    """Once per process. What is logged as an error, and what ends a process or a thread, is sent.

    Answers what sends the rest, to be called at the end.
    """
    assert settings.sentry_dsn is not None
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        environment=settings.environment.value,
        release=version("perennial"),
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        server_name=role,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(level=None),
            ThreadingIntegration(),
        ],
        before_send=lambda event, _hint: reduced(event),  # type: ignore[arg-type,return-value]
    )
    return lambda: sentry_sdk.get_client().close(_LAST_SECONDS)


def reduced(event: Any) -> dict[str, Any]:
    """What of an event may leave: types and frames of its exceptions, the ids that our log lines bear."""
    kept = {name: event[name] for name in _KEPT if name in event}
    of_the_run = name_the_run(None, "", dict(event.get("extra") or {}))
    names = {**of_the_run, **structlog.contextvars.get_contextvars()}
    kept["tags"] = {name: str(names[name]) for name in _TAGS if name in names}
    if exceptions := event.get("exception", {}).get("values"):
        kept["exception"] = {"values": [_exception(value) for value in exceptions]}
    elif name := _event_name(event):
        kept["message"] = name
    return kept


def _exception(value: dict[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames", [])
    kept: dict[str, Any] = {name: value[name] for name in ("type", "module") if name in value}
    kept["stacktrace"] = {"frames": [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]}
    return kept


def _event_name(event: Any) -> str:
    """The name of one of our own events; the sentence of somebody else's line is not sent, only who said it."""
    entry = event.get("logentry") or {}
    said = entry.get("message") or event.get("message") or ""
    own = said if said.replace("_", "").isalnum() and " " not in said else ""
    return own or f"an error of {event.get('logger', 'unknown')}"
