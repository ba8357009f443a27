"""What the tests of the embedded stack share."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perennial.config import Settings


def _processes_naming(text: str) -> list[int]:
    """Processes whose command line names `text`; a zombie has none any more."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command:
            found.append(int(folder.name))
    return found


def _eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def processes_naming() -> Callable[[str], list[int]]:
    return _processes_naming


@pytest.fixture
def eventually() -> Callable[..., bool]:
    return _eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a `perennial dev` in a folder of its own."""
    return Settings(_env_file=None, data_dir=tmp_path / "state")
