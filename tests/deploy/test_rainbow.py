"""The script that deploys side by side, on servers and worker processes of its own."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_two_versions_side_by_side_lose_and_repeat_nothing(root: Path) -> None:
    script = root / "deploy/rainbow.py"
    done = subprocess.run(
        [sys.executable, script, "--subscriptions", "8"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stages = done.stdout.splitlines()
    assert stages[0].startswith("v1 alone: 2 subscriptions: 2 on v1 (")
    assert stages[1].startswith("v2 beside it, 30 % of the work: 4 subscriptions: ")
    # What began under v1 has moved, and goes on by the steps that it began with.
    assert "on v1" not in stages[2]
    assert stages[3].startswith("v1 is gone: 8 subscriptions: ")
    assert stages[-1] == "34 charges; each month of each once"
