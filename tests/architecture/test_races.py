"""The page of races names code and tests that exist."""

import re
from pathlib import Path

PAGE = "docs/adr/0006-races-of-payments.md"


def test_every_race_names_tests_that_exist(root: Path) -> None:
    page = (root / PAGE).read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| race |")]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.rsplit("|", 2)[1])
        assert named, f"no test shows: {row[:60]}"
        for path, test in named:
            assert f"def {test}(" in (root / path).read_text(), f"{path} has no {test}"


def test_the_code_that_it_names_is_there(root: Path) -> None:
    page = (root / PAGE).read_text()
    for path in re.findall(r"`((?:perennial|activities|workflows)/[\w/]+\.py)`", page):
        assert (root / path).is_file(), path


def test_the_functions_that_it_names_are_in_the_files_that_it_names(root: Path) -> None:
    page = (root / PAGE).read_text()
    code = "".join((root / path).read_text() for path in set(re.findall(r"`([\w/]+\.py)`", page)))
    # Names in brackets, or after the file that they stand in.
    named = set(re.findall(r"`(_[a-z]\w+)`", page)) | {"begin", "finish", "book", "collect", "close", "receive"}
    assert {"_next_step", "_clear_up", "_given", "_split"} <= named
    assert [name for name in sorted(named) if f"def {name}(" not in code] == []
