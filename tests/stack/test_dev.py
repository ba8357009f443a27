"""`perennial dev` starts everything, finds its state again, and goes without leaving anything behind."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from perennial.running import STACK_FILE
from perennial.stack.ports import free_port

UP = "Perennial is running"
PATIENCE_SECONDS = 60


class Running:
    """A `perennial dev` of the test's own folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        command = [sys.executable, "-P", "-m", "perennial", "dev", "--data-dir", str(folder), "--port", str(port)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder.parent
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, words: str) -> str:
        """The next line with these words."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                line = self._queue.get(timeout=0.2)
            except queue.Empty:
                if self._reader.is_alive():
                    continue
                break
            if words in line:
                return line
        raise AssertionError(f"{words!r} does not come after:\n" + "\n".join(self.lines))

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
        return code

    def addresses(self) -> dict[str, object]:
        written: dict[str, object] = json.loads((self.folder / STACK_FILE).read_text())
        return written

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip())
                self._queue.put(line)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def _start(port: int | None = None) -> Running:
        started.append(Running(tmp_path / "state", port or free_port()))
        return started[-1]

    yield _start
    for running in started:
        running.end(signal.SIGKILL)


def test_two_runs_share_a_state_and_leave_nothing_running(
    start: Callable[..., Running], processes_naming: Callable[[str], list[int]]
) -> None:
    first = start()
    first.wait_for(UP)
    first.wait_for("/v1/subscriptions")
    children = [pid for pid in processes_naming("perennial\0") if _child_of(first, pid)]
    assert len(children) == 3
    api = f"http://127.0.0.1:{first.addresses()['api_port']}"
    assert httpx.get(f"{api}/healthz", trust_env=False).status_code == 200
    assert first.end(signal.SIGTERM) == 0
    assert set(processes_naming("perennial\0")).isdisjoint(children)
    assert processes_naming(str(first.folder)) == []

    second = start()
    second.wait_for(UP)
    assert second.end(signal.SIGINT) == 0
    assert processes_naming(str(second.folder)) == []
    assert "Traceback" not in "\n".join(first.lines + second.lines)


@pytest.mark.long
def test_a_killed_run_blocks_nothing(
    start: Callable[..., Running],
    processes_naming: Callable[[str], list[int]],
    eventually: Callable[..., bool],
) -> None:
    killed = start()
    killed.wait_for(UP)
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    again = start()
    again.wait_for(UP)
    assert again.end(signal.SIGTERM) == 0
    assert eventually(lambda: processes_naming(str(again.folder)) == [])
    assert "Traceback" not in "\n".join(again.lines)


@pytest.mark.long
def test_a_second_run_is_refused_and_a_dead_worker_comes_back(
    start: Callable[..., Running], processes_naming: Callable[[str], list[int]]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        taken = listener.getsockname()[1]
        first = start(taken)
        assert "the API uses" in first.wait_for(f"Port {taken} is taken")
        first.wait_for(UP)

    second = start()
    refusal = second.wait_for("already runs in")
    assert f"process {first.process.pid}" in refusal
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert "Traceback" not in "\n".join(second.lines)

    (worker,) = [pid for pid in processes_naming("perennial\0worker\0") if _child_of(first, pid)]
    os.kill(worker, signal.SIGKILL)
    first.wait_for("worker ended with exit code -9")
    for part in processes_naming(str(first.folder / "temporal.db")):
        os.kill(part, signal.SIGKILL)
    first.wait_for("Temporal ended")
    assert first.end(signal.SIGTERM) == 0


def _child_of(running: Running, pid: int) -> bool:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == running.process.pid
    except OSError:
        return False
