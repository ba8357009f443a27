"""Children are started, read, stopped, and never outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perennial.stack import ChildProcess, StackError
from perennial.stack.supervisor import Supervisor

PYTHON = [sys.executable, "-u", "-c"]
SLEEPER = [*PYTHON, "import time; print('ready'); time.sleep(60)"]
DEAF = [*PYTHON, "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"]


def test_its_lines_are_read() -> None:
    lines: list[str] = []
    child = ChildProcess("talker", [*PYTHON, "print('one'); print('two')"], on_line=lines.append)
    child.start()
    assert child.wait(20) == 0
    child.stop()
    assert lines == ["one", "two"]


def test_its_log_is_appended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        child = ChildProcess("talker", [*PYTHON, "print('said')"], log_path=log)
        child.start()
        child.wait(20)
    assert log.read_text() == "said\nsaid\n"


def test_it_is_asked_before_it_is_killed() -> None:
    child = ChildProcess("sleeper", SLEEPER)
    child.start()
    child.stop()
    assert child.returncode == -signal.SIGTERM
    assert not child.is_running


def test_a_deaf_one_is_killed() -> None:
    ready = threading.Event()
    child = ChildProcess("deaf", DEAF, on_line=lambda _: ready.set())
    child.start()
    assert ready.wait(20)
    child.stop(timeout_seconds=0.3)
    assert child.returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(StackError, match="cannot start ghost"):
        ChildProcess("ghost", ["/nowhere/ghost"]).start()


def test_it_lives_on_when_the_thread_that_started_it_ends() -> None:
    child = ChildProcess("sleeper", SLEEPER)
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert child.is_running
    child.kill()


def test_it_dies_with_a_killed_parent(eventually: Callable[..., bool]) -> None:
    code = (
        "import time; from perennial.stack import ChildProcess\n"
        f"child = ChildProcess('sleeper', {SLEEPER!r}); child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([*PYTHON, code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    assert eventually(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_supervisor_starts_the_dead_again_a_little_later_each_time() -> None:
    said: list[str] = []
    now = 0.0
    child = ChildProcess("short", [*PYTHON, "raise SystemExit(3)"])
    supervisor = Supervisor([child], said.append, clock=lambda: now)
    supervisor.start()
    for pause in (1, 2, 4):
        first = child.pid
        child.wait(20)
        supervisor.look()
        assert said[-1] == f"short ended with exit code 3; it starts again in {pause} s"
        now += pause - 0.1
        supervisor.look()
        assert child.pid == first
        now += 0.1
        supervisor.look()
        assert child.pid != first
    now += 100
    child.wait(20)
    supervisor.look()
    assert said[-1].endswith("again in 1 s"), "a long life is forgiven"
    supervisor.stop()
