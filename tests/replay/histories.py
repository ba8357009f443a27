"""Recorded histories as files, a folder for each release: written without what belongs to one machine, read back for
the replayer. What a release has recorded stays: runs that it began may sleep for years.
"""

import gzip
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).parent / "histories"
RELEASE = version("perennial")
# Process ids, host names, addresses of source files: nothing that a replay looks at.
_MACHINE = ("identity", "stackTrace")
_STICKY = "TASK_QUEUE_KIND_STICKY"


def names() -> list[str]:
    """Of every release: `0.1.0/yearly`."""
    return sorted(str(path.relative_to(FOLDER)).removesuffix(".json.gz") for path in FOLDER.glob("*/*.json.gz"))


def recorded_now() -> set[str]:
    """The lives that the release at hand has recorded."""
    return {life for release, _, life in (name.partition("/") for name in names()) if release == RELEASE}


def write(name: str, history: WorkflowHistory) -> int:
    """Into the folder of the release at hand; answers the size of the file. The same history gives the same bytes."""
    text = json.dumps(scrubbed(history.to_json_dict()), sort_keys=True, separators=(",", ":"))
    (FOLDER / RELEASE).mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(text.encode(), mtime=0)
    (FOLDER / RELEASE / f"{name}.json.gz").write_bytes(packed)
    return len(packed)


def text_of(name: str) -> str:
    return gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()).decode()


def read(name: str) -> WorkflowHistory:
    """The workflow id is the name of the file, so that a failed replay says which one it was."""
    return WorkflowHistory.from_json(name, text_of(name))


def read_all() -> Iterator[WorkflowHistory]:
    return (read(name) for name in names())


def scrubbed(value: Any) -> Any:
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    if not isinstance(value, dict):
        return value
    clean = {key: scrubbed(item) for key, item in value.items() if key not in _MACHINE}
    if clean.get("kind") == _STICKY:
        clean["name"] = "sticky"
    return clean
