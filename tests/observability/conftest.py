"""Engines and processes of these tests alone, beside the shared ones."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest

from perennial.config import Settings
from perennial.engine.context import Engine, open_engine
from perennial.gateways.enabled import Gateways
from perennial.ports import GatewayUnavailable
from perennial.stack import ChildProcess, Stack
from tests.support.log_lines import Lines, logged
from tests.support.stage import Stage, eventually
from worker import build_worker

Beside = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.fixture
def beside(engine: Engine) -> Beside:
    """An engine with other settings, with a worker of its own; `works=False`: without one."""

    @asynccontextmanager
    async def opened(*, works: bool = True, gateway: Any = None, **settings: object) -> AsyncIterator[Engine]:
        given = Settings.model_validate(engine.settings.model_dump() | settings)
        made = await open_engine(given, lazy=False)
        made = replace(made, clock=engine.clock, gateways=Gateways(gateway) if gateway else made.gateways)
        try:
            if works:
                async with build_worker(made):
                    yield made
            else:
                yield made
        finally:
            made.close()

    return opened


async def at_rest(stage: Stage, clock: str | None, **more: Any) -> str:
    """A subscription whose last step is written down, so that it does not write over what a test puts there."""
    sub = await stage.subscribe(clock, **more)
    await rests(stage, sub)
    return sub


async def rests(stage: Stage, sub: str) -> None:
    """Until the subscription has nothing in hand.

    A task that a worker is handed just while it goes is lost: the server gives it to another one after ten seconds.
    """

    async def idle() -> bool:
        return not (await stage.progress(sub)).busy

    await eventually(idle)


async def handed_over(engine: Engine, sub: str) -> Stage:
    """The server would wait three seconds for the worker that has just gone."""
    client, execution = engine.temporal, WorkflowExecution(workflow_id=sub)
    request = ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution)
    await client.workflow_service.reset_sticky_task_queue(request)
    return Stage(engine)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What this process logs from here on."""
    with logged() as lines:
        yield lines


class Silent:
    """A gateway that is away."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def charge(self, request: object) -> None:
        raise GatewayUnavailable("nobody answers at the gateway")


class Process(ChildProcess):
    """`perennial NAME` with its lines kept."""

    def __init__(self, stack: Stack, *arguments: str, **settings: str) -> None:
        self.lines: list[str] = []
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
        given = {f"PERENNIAL_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-P", "-m", "perennial", *arguments]
        environment = clean | stack.environment() | {"PERENNIAL_LOG_FORMAT": "json"} | given
        super().__init__(arguments[0], command, env=environment, on_line=self.lines.append)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of that event so far."""
        lines = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]


@pytest.fixture
def process(stack: Stack, database_url: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*arguments: str, **settings: str) -> Process:
        started.append(Process(stack, *arguments, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()


class Recorder:
    """An HTTP server that keeps what it is sent, and answers what it is told to."""

    def __init__(self, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.status = status
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                owner.paths.append(self.path)
                self.send_response(owner.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test looks at the bodies."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()
