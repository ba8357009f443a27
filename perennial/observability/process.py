"""What every process does about itself at its start."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from perennial.config import Settings
from perennial.observability.health import Ready
from perennial.observability.logs import configure_logging

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

_log = structlog.get_logger(__name__)


def observe(settings: Settings, role: str) -> None:
    """Logs, and by setting errors to Sentry and traces to a collector. `role`: api, worker, relay."""
    configure_logging(settings, role)
    if settings.sentry_dsn is not None:
        from perennial.observability.sentry import configure_sentry

        configure_sentry(settings, role)
    if settings.otlp_endpoint is not None:
        from perennial.observability.tracing import configure_tracing

        configure_tracing(settings, role)


@contextmanager
def serving(settings: Settings, ready: Ready, collectors: Iterable["Collector"] = ()) -> Iterator[int | None]:
    """Metrics and health while the block runs, on the port that is answered; None when none is set.

    Raises:
        SettingsError: the port is taken.
    """
    if settings.metrics_port is None:
        yield None
        return
    from perennial.observability.server import HealthServer
    from perennial.temporal.runtime import sdk_metrics_url

    host, port = settings.metrics_host, settings.metrics_port
    with HealthServer(host, port, ready, collectors, sdk_metrics_url()) as server:
        _log.info("metrics_served", host=host, port=server.port)
        yield server.port
