"""How `pytest -n` deals the suite out: in pieces, the longest first, each to whichever process is free.

Every process has a stack of its own, so nothing here is about correctness: any piece may run beside any other, in any
order. A piece is a file, for its tests share the fixtures of the module. Files that share something dear are one piece,
and dear tests are pieces for themselves.
"""

from fnmatch import fnmatch
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# In the order in which they are begun: a dear piece that is begun last keeps one process busy and the others idle.
DEAR = (
    "tests/chaos/test_run.py::*",
    "tests/faults/test_killed_worker.py::*",
    "tests/faults/test_reset.py::*",
    "tests/faults/test_outages.py::*",
    "tests/stack/test_dev.py::*",
    "tests/deploy/test_rainbow.py::*",
    "tests/scenarios/test_demo.py::test_a_small_population_*",
)
TOGETHER = {
    "tests/integration/test_cli_*": "a stack with a worker and a relay of its own",
    "tests/integration/test_documents.py*": "a stack with a worker and a relay of its own",
    "tests/integration/test_backup.py*": "copies of one population",
    "tests/integration/test_books.py*": "copies of one population",
    "tests/integration/test_checks.py*": "copies of one population",
    "tests/integration/test_reports.py*": "copies of one population",
    "tests/integration/test_support_replay.py*": "copies of one population",
}
# Whole folders in the order of what their tests take.
FOLDERS = (
    "chaos",
    "faults",
    "integration",
    "scenarios",
    "stack",
    "web",
    "deploy",
    "api",
    "workflows",
    "observability",
    "replay",
)


def piece_of(test: str) -> str:
    """The piece to which the test with this node id belongs."""
    if any(fnmatch(test, pattern) for pattern in DEAR):
        return test
    for pattern, name in TOGETHER.items():
        if fnmatch(test, pattern):
            return f"tests/integration: {name}"
    return test.partition("::")[0]


def rank(test: str) -> int:
    """Tests of a lower rank are begun first."""
    for place, pattern in enumerate((*DEAR, *TOGETHER)):
        if fnmatch(test, pattern):
            return place
    folder = test.split("/")[1] if "/" in test else ""
    return len(DEAR) + len(TOGETHER) + (FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS))


class Pieces(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces:
    config.option.loadscopereorder = False
    return Pieces(config, log)
