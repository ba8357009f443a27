"""What a running `perennial dev` leaves in its data folder, so that other processes find it."""

import fcntl
import json
from pathlib import Path

STACK_FILE = "stack.json"
LOCK_FILE = "lock"


def stack_is_running(data_dir: Path) -> bool:
    """Whether a process holds the lock of this data folder (the kernel drops the lock of a killed one)."""
    try:
        with (data_dir / LOCK_FILE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running_stack(data_dir: Path) -> dict[str, object]:
    """What a running `perennial dev` wrote down: its addresses. Empty when none runs here."""
    if not stack_is_running(data_dir):
        return {}
    try:
        written = json.loads((data_dir / STACK_FILE).read_text())
    except (OSError, ValueError):
        return {}
    names = ("database_url", "temporal_address", "temporal_namespace", "api_host", "api_port", "temporal_ui_url")
    return {name: written[name] for name in names if name in written}
