"""`/metrics`, `/healthz` and `/readyz` of a process, on a port that is not for customers."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, Self

import httpx
import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from perennial.config import PREFIX, SettingsError
from perennial.observability.health import Ready
from perennial.observability.metrics import REGISTRY

_SDK_SECONDS = 2.0
_log = structlog.get_logger(__name__)


class HealthServer:
    """Serves from construction until `close`. `collectors` are asked at every scrape; `sdk_url` is appended to ours."""

    def __init__(
        self, host: str, port: int, ready: Ready, collectors: Iterable[Collector] = (), sdk_url: str | None = None
    ) -> None:
        self._ready = ready
        self._collectors = tuple(collectors)
        self._sdk_url = sdk_url
        handler = type("_Bound", (_Handler,), {"owner": self})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise SettingsError(f"{PREFIX}METRICS_PORT: cannot listen on {host}:{port}: {error.strerror}") from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def metrics(self) -> bytes:
        """Ours, what the collectors find, and the SDK's. What cannot be had is missing, and `up` stays 1."""
        text = generate_latest(REGISTRY)
        for collector in (Parts(self._ready), *self._collectors):
            text += generate_latest(_Once(collector))
        return text + self._sdk()

    def readiness(self) -> tuple[HTTPStatus, dict[str, Any]]:
        parts = self._ready()
        ok = all(part.ok for part in parts)
        checks = [{"name": part.name, "ok": part.ok, "detail": part.detail} for part in parts]
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {"status": "ready" if ok else "not ready", "checks": checks}

    def _sdk(self) -> bytes:
        if self._sdk_url is None:
            return b""
        try:
            # trust_env=False: a proxy of the environment has no part in a conversation on the loopback interface.
            return httpx.get(self._sdk_url, timeout=_SDK_SECONDS, trust_env=False).raise_for_status().content
        except httpx.HTTPError as error:
            _log.warning("sdk_metrics_missing", error=type(error).__name__)
            return b""


class Parts(Collector):
    """What `/readyz` says, as a series."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("perennial_part_up", "Whether a part answers this process.", labels=["part"])
        for part in self._ready():
            family.add_metric([part.name], float(part.ok))
        return [family]


class _Once:
    """What `generate_latest` wants of a registry, for one collector."""

    def __init__(self, collector: Collector) -> None:
        self.collect = collector.collect


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[HealthServer]

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, self.owner.metrics())
            case "/healthz":
                self._json(HTTPStatus.OK, {"status": "ok"})
            case "/readyz":
                self._json(*self.owner.readiness())
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"status": "there are /metrics, /healthz and /readyz"})

    def _json(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(body).encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""
