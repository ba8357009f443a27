"""The Dockerfile, read: there is no Docker where it was written."""

import re
from pathlib import Path

from perennial.cli.main import COMMANDS


def test_its_base_is_pinned_and_its_process_is_not_root(root: Path) -> None:
    text = (root / "Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-bookworm$", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:${PYTHON}"}
    assert re.search(r"^USER (\d+)$", text, re.MULTILINE)
    assert text.index("USER 10001") < text.index("ENTRYPOINT")


def test_the_commands_that_it_names_are_commands(root: Path) -> None:
    named = re.findall(r"`([a-z-]+)`", (root / "Dockerfile").read_text().split("\nARG")[0])
    assert {"api", "relay", "migrate", "backup", "codec-server"} == set(named)
    assert set(named) <= {command.name for command in COMMANDS}


def test_what_is_copied_is_there_and_not_ignored(root: Path) -> None:
    kept = re.findall(r"^!(\S+)", (root / ".dockerignore").read_text(), re.MULTILINE)
    assert {"LICENSE", "pyproject.toml", "requirements", "worker.py"} <= set(kept)
    assert all((root / name).exists() for name in kept)
    files = re.findall(r"^COPY (requirements\S+) (requirements\S+) ", (root / "Dockerfile").read_text(), re.MULTILINE)
    assert all((root / name).exists() for pair in files for name in pair)
    assert files
