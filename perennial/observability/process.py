"""What every process does about itself at its start."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn

import structlog

from perennial.config import Settings
from perennial.observability.health import Ready
from perennial.observability.logs import configure_logging

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

_log = structlog.get_logger(__name__)


@contextmanager
def observed(settings: Settings, role: str) -> Iterator[None]:
    """Logs, and by setting errors to Sentry and traces to a collector, while the block runs.

    What is still to be sent is sent at its end: our command line leaves without the interpreter's tidying up.
    `role`: api, worker, relay, codec-server.
    """
    configure_logging(settings, role)
    # uvicorn hands the signal that ended it on to who had it before: by default that is the end on the spot.
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as ending:
        if settings.sentry_dsn is not None:
            from perennial.observability.sentry import configure_sentry

            ending.callback(configure_sentry(settings, role))
        if settings.otlp_endpoint is not None:
            from perennial.observability.tracing import configure_tracing

            ending.callback(configure_tracing(settings, role))
        yield


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


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
