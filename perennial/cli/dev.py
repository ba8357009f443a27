"""`perennial dev`: the whole stack on this machine until Ctrl-C."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import httpx
import typer

from perennial.cli.dev_output import Output
from perennial.config import PREFIX, Settings, SettingsError, load_settings
from perennial.stack import ChildProcess, Stack, StackError
from perennial.stack.ports import choose_port
from perennial.stack.supervisor import Supervisor

# A second signal within this time is the same Ctrl-C, passed on by `make`.
IMPATIENT_AFTER_SECONDS = 1.5
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 (recognised, not chosen)

# Stopped in this order: first nothing new comes in, then what is under way ends, then the parts go.
PROCESSES = ("api", "worker", "relay")

app = typer.Typer(add_completion=False)


@app.command()
def dev(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The API's port (8080).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the state lives (.perennial).")] = None,
) -> None:
    """PostgreSQL, Temporal with its UI, migrations, demo plans, worker, relay and API, until Ctrl-C.

    The state lives in the data folder: the next start finds it again, and every sleeping subscription still asleep.
    """
    options = {"api_port": port, "data_dir": data_dir}
    settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    if settings.is_production:
        raise SettingsError(f"{PREFIX}ENVIRONMENT: `perennial dev` is not for production")
    Development(settings, Output()).run()


class Development:
    """One run: start everything, watch it, stop it in order."""

    def __init__(self, settings: Settings, output: Output) -> None:
        self._settings = settings
        self._output = output
        self._stack = Stack.persistent(settings, output.say)
        self._stopping = threading.Event()
        self._asked_at: float | None = None
        self._starting = True

    def run(self) -> None:
        """Until a signal asks for the end. Raises StackError when a part does not start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        try:
            self._output.say("Starting PostgreSQL and Temporal ...")
            with self._stack:
                self._run_processes()
        except KeyboardInterrupt:
            pass
        self._output.say(f"Stopped. The state is kept in {self._stack.folder.path}")

    def _run_processes(self) -> None:
        host = self._settings.api_host
        port = choose_port(self._settings.api_port, "the API", self._output.say, host)
        environment = self._environment(port)
        self._output.say("Bringing the database up to date ...")
        self._once(environment, "migrate")
        self._once(environment, "plans", "seed")
        children = [self._child(environment | self._metrics(place), name) for place, name in enumerate(PROCESSES)]
        supervisor = Supervisor(children, self._output.say)
        try:
            supervisor.start()
            self._starting = False
            self._watch(supervisor, f"http://{'127.0.0.1' if host == EVERY_INTERFACE else host}:{port}")
        finally:
            self._starting = False
            self._output.say("Stopping ...")
            supervisor.stop()

    def _watch(self, supervisor: Supervisor, api_url: str) -> None:
        announced = False
        while not self._stopping.wait(0.3):
            supervisor.look()
            self._look_at_parts()
            if not announced and _is_healthy(api_url):
                announced = True
                self._stack.publish(api_host=self._settings.api_host, api_port=int(api_url.rpartition(":")[2]))
                self._output.banner(self._settings, api_url, self._stack)

    def _look_at_parts(self) -> None:
        for name, part in (("PostgreSQL", self._stack.postgres), ("Temporal", self._stack.temporal)):
            if part is not None and part.process is not None and not part.process.is_running:
                self._output.say(f"{name} ended (see {part.log_path}); starting it again")
                part.start()

    def _once(self, environment: dict[str, str], *arguments: str) -> None:
        child = self._child(environment, *arguments)
        child.start()
        try:
            code = child.wait()
        finally:
            child.stop()
        if code != 0:
            raise StackError(f"`perennial {' '.join(arguments)}` failed with exit code {code}; its words are above")

    def _child(self, environment: dict[str, str], *arguments: str) -> ChildProcess:
        # -P: a folder of the current directory must not take the place of one of our packages
        command = [sys.executable, "-P", "-m", "perennial", *arguments]
        return ChildProcess(arguments[0], command, env=environment, on_line=self._output.of(arguments[0]))

    def _metrics(self, place: int) -> dict[str, str]:
        """One port after the other: the processes share this machine."""
        first = self._settings.metrics_port
        return {} if not first else {f"{PREFIX}METRICS_PORT": str(first + place)}

    def _environment(self, port: int) -> dict[str, str]:
        own = {f"{PREFIX}API_HOST": self._settings.api_host, f"{PREFIX}API_PORT": str(port), "PYTHONUNBUFFERED": "1"}
        if self._output.is_colored:
            own["FORCE_COLOR"] = "1"
        return dict(os.environ) | self._stack.environment() | own

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at > IMPATIENT_AFTER_SECONDS:
            os._exit(1)  # the kernel ends the children with us
        first, self._asked_at = self._asked_at is None, self._asked_at or now
        self._stopping.set()
        if self._starting and first:
            raise KeyboardInterrupt


def _is_healthy(api_url: str) -> bool:
    try:
        return httpx.get(f"{api_url}/healthz", trust_env=False, timeout=2).is_success
    except httpx.HTTPError:
        return False
