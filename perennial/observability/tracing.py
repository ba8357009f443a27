"""Traces over OTLP/HTTP: Temporal's spans, those of requests (`api/tracing.py`), and one for each statement.

A span bears ids and the text of a statement with its placeholders; parameters and bodies are not in it.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import sqlalchemy
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sqlalchemy import event

from perennial.config import Settings

_LONGEST_STATEMENT = 500
_SPAN = "perennial_span"


def configure_tracing(settings: Settings, role: str) -> Callable[[], None]:
    """Once per process. Answers what sends the rest, to be called at the end."""
    assert settings.otlp_endpoint is not None
    about = {
        "service.name": f"perennial-{role}",
        "service.version": version("perennial"),
        "deployment.environment.name": settings.environment.value,
    }
    provider = TracerProvider(resource=Resource.create(about))
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    trace_statements(sqlalchemy.Engine, provider.get_tracer(__name__))
    return provider.shutdown


def trace_statements(engines: Any, tracer: trace.Tracer) -> None:
    """A span for each statement within a span; what is done outside of any (the relay's polling) is nobody's story."""

    @event.listens_for(engines, "before_cursor_execute")
    def begin(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        if not trace.get_current_span().get_span_context().is_valid:
            return
        words = " ".join(statement.split())
        span = tracer.start_span(f"db {words.partition(' ')[0].upper()}", kind=trace.SpanKind.CLIENT)
        span.set_attribute("db.system.name", "postgresql")
        span.set_attribute("db.query.text", words[:_LONGEST_STATEMENT])
        setattr(context, _SPAN, span)

    @event.listens_for(engines, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        _end(context)

    @event.listens_for(engines, "handle_error")
    def fail(error: Any) -> None:
        _end(error.execution_context, type(error.original_exception).__name__)


def _end(context: Any, error: str | None = None) -> None:
    span = getattr(context, _SPAN, None)
    if span is None:
        return
    if error:
        span.set_attribute("error.type", error)
        span.set_status(trace.StatusCode.ERROR)
    span.end()
