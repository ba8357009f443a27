"""Child processes that never outlive us: started, watched, stopped, killed."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)  # Linux alone has it

# The kernel sends the parent-death signal when the *thread* that started the child ends, not the process. So one thread
# that lives as long as this process starts every child, whichever thread asked for it.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class StackError(Exception):
    """A part of the embedded stack cannot run; the text is for the person at the terminal."""


class ChildProcess:
    """One child in its own session, so that a Ctrl-C at the terminal reaches only us and we stop it in order.

    Its output goes to `log_path` (appended), or line by line to `on_line` (called in a thread of ours).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        log_path: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.stop_signal = stop_signal
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._user = user
        self._log_path = log_path
        self._on_line = on_line
        self._death_signal = death_signal
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code (negative: the signal that ended it), None while it runs or before it started."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.is_running:
            return
        self._process = _spawner.submit(self._spawn).result()
        if self._on_line is not None:
            self._reader = threading.Thread(target=self._read, args=(self._process, self._on_line), daemon=True)
            self._reader.start()

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """The exit code, or None when it still runs after so many seconds."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Asks it to end, and kills it when it has not after so many seconds."""
        if self.is_running:
            self.signal(self.stop_signal)
            if self.wait(timeout_seconds) is None:
                self.kill()
        self._finish_reading()

    def kill(self) -> None:
        """Ends the whole group as a crash would (SIGKILL): nothing is tidied up."""
        if self._process is not None and self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._finish_reading()

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _spawn(self) -> subprocess.Popen[str]:
        output: int | IO[bytes] = subprocess.PIPE
        if self._on_line is None:
            output = Path(self._log_path or os.devnull).open("ab")  # noqa: SIM115 (handed to the child, closed below)
        try:
            return subprocess.Popen(  # noqa: S603 (our own commands)
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                start_new_session=True,
                preexec_fn=self._die_with_parent(),  # noqa: PLW1509 (one system call on a symbol bound beforehand)
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise StackError(f"cannot start {self.name}: {error}") from error
        finally:
            if not isinstance(output, int):
                output.close()

    def _die_with_parent(self) -> Callable[[], None] | None:
        """Runs in the child between fork and exec, after the change of user (which would clear the setting)."""
        if not sys.platform.startswith("linux"):
            return None
        return partial(die_with_parent, os.getpid(), int(self._death_signal))

    def _read(self, process: subprocess.Popen[str], on_line: Callable[[str], None]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                on_line(line.rstrip("\n"))

    def _finish_reading(self) -> None:
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(timeout=2)


def die_with_parent(parent: int, number: int) -> None:
    """Called in a child: the kernel sends it this signal when `parent` ends. Nothing where the kernel cannot."""
    if _prctl is None:
        return
    _prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
