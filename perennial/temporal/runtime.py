"""The Temporal SDK's own metrics: served by the SDK on a loopback port of its own, told to the world by ours."""

from dataclasses import dataclass
from functools import cache

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from perennial.config import Settings
from perennial.stack.ports import free_port

_HOST = "127.0.0.1"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Instrumented:
    """`metrics_url` answers in Prometheus' text form, names beginning with `temporal_`."""

    runtime: Runtime
    metrics_url: str


def runtime_for(settings: Settings) -> Runtime | None:
    """None (the SDK's default) where this process serves no metrics."""
    return None if settings.metrics_port is None else instrumented().runtime


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
            return Instrumented(Runtime(telemetry=TelemetryConfig(metrics=prometheus)), f"http://{address}/metrics")
        except (RuntimeError, ValueError) as error:  # another process has taken the port in between
            trouble = error
    raise RuntimeError("the Temporal SDK finds no port for its metrics") from trouble
