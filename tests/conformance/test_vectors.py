"""Every vector, through the functions that bill. Comparison is exact; what is unknown fails, nothing is skipped."""

from collections.abc import Callable

import pytest

from tests.conformance.vectors import Case, cases, folders, run


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for folder in folders() for case in cases(folder)])
def test_vector(case: Case, record_property: Callable[[str, object], None]) -> None:
    record_property("family", case.family)
    found, expected = run(case)
    assert found == expected
