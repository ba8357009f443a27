"""The folder in which a stack keeps its state: one stack at a time, known to the command line of other terminals."""

import fcntl
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

from perennial.running import LOCK_FILE, STACK_FILE, stack_is_running
from perennial.stack.process import StackError

THROW_AWAY_PREFIX = "perennial-stack-"
ABANDONED_AFTER_SECONDS = 600
LOG_LIMIT_BYTES = 5 * 1024 * 1024


class StackFolder:
    """`path` with its lock held from `lock()` to `release()`. The kernel drops the lock of a killed process."""

    def __init__(self, path: Path, *, throw_away: bool) -> None:
        self.path = path.absolute()
        self.throw_away = throw_away
        self._lock: IO[str] | None = None

    @classmethod
    def temporary(cls) -> "StackFolder":
        _remove_abandoned()
        return cls(Path(tempfile.mkdtemp(prefix=THROW_AWAY_PREFIX)), throw_away=True)

    def lock(self) -> None:
        """Raises StackError when another process holds the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / LOCK_FILE).open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise StackError(
                f"another perennial (process {holder}) already runs in {self.path}; "
                "stop it first, or choose another folder with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def publish(self, addresses: dict[str, object]) -> None:
        """Writes down where the parts answer. Readable for us alone: the database asks for no password."""
        draft = self.path / f"{STACK_FILE}.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(addresses, indent=2) + "\n")
        draft.replace(self.path / STACK_FILE)

    def log_path(self, name: str) -> Path:
        """Where a part logs. A log that has grown large is put aside, once."""
        path = self.path / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def release(self) -> None:
        if self._lock is None:
            return
        (self.path / STACK_FILE).unlink(missing_ok=True)
        if self.throw_away:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        self._lock = None


def _remove_abandoned() -> None:
    """Removes what killed processes left: old throw-away folders of ours that nobody holds."""
    for path in Path(tempfile.gettempdir()).glob(f"{THROW_AWAY_PREFIX}*"):
        try:
            status = path.stat()
        except OSError:
            continue
        old = time.time() - status.st_mtime > ABANDONED_AFTER_SECONDS
        if old and status.st_uid == os.geteuid() and not stack_is_running(path):
            shutil.rmtree(path, ignore_errors=True)
