"""The Temporal SDK's own metrics and log lines.

Its metrics are served by the SDK on a loopback port of its own, and told to the world by ours. Its lines go through our
loggers: by itself its core writes to the standard output in a form that no collector of JSON lines can read.
"""

import logging
from dataclasses import dataclass
from functools import cache

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from perennial.config import Settings
from perennial.stack.ports import free_port

_HOST = "127.0.0.1"
_ATTEMPTS = 5
_LOGGING = LoggingConfig(
    filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
    forwarding=LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"),
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,  # `perennial/observability/logs.py` takes what counts of them
    ),
)


@dataclass(frozen=True, slots=True)
class Instrumented:
    """`metrics_url` answers in Prometheus' text form, names beginning with `temporal_`."""

    runtime: Runtime
    metrics_url: str


def runtime_for(settings: Settings) -> Runtime | None:
    """None (the SDK's default) where this process serves no metrics and writes its lines for people."""
    if settings.metrics_port is not None:
        return instrumented().runtime
    return _forwarding() if settings.log_format == "json" else None


def sdk_metrics_url() -> str | None:
    """Where the SDK tells its metrics; None in a process that has made no client of ours."""
    return instrumented().metrics_url if instrumented.cache_info().currsize else None


@cache
def instrumented() -> Instrumented:
    """Once a process: every runtime has threads of its own.

    Raises:
        RuntimeError: no port could be had.
    """
    trouble: Exception | None = None
    for _ in range(_ATTEMPTS):
        address = f"{_HOST}:{free_port(_HOST)}"
        prometheus = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        try:
            runtime = Runtime(telemetry=TelemetryConfig(logging=_LOGGING, metrics=prometheus))
            return Instrumented(runtime, f"http://{address}/metrics")
        except (RuntimeError, ValueError) as error:  # another process has taken the port in between
            trouble = error
    raise RuntimeError("the Temporal SDK finds no port for its metrics") from trouble


@cache
def _forwarding() -> Runtime:
    return Runtime(telemetry=TelemetryConfig(logging=_LOGGING))
