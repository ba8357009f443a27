import pytest

from perennial.domain.errors import InvalidInput, NotFound, PerennialError
from perennial.reports.registry import REPORTS, find
from perennial.reports.report import ParameterKind, Report


def test_names_are_unique_and_found() -> None:
    assert len({report.name for report in REPORTS}) == len(REPORTS)
    assert all(find(report.name) is report for report in REPORTS)
    with pytest.raises(NotFound, match="no report 'profit'"):
        find("profit")


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_each_defines_its_columns(report: Report) -> None:
    assert len(report.definition) > 100
    assert any(column.name == "currency" for column in report.columns), "money never stands without its currency"


def test_text_becomes_values_and_defaults_are_filled_in() -> None:
    parameters = find("revenue").parse({"as_of": "2026-02-01T00:00:00+01:00", "currency": "eur"})
    assert parameters["as_of"].isoformat() == "2026-02-01T00:00:00+01:00"
    assert parameters["currency"] == "EUR"
    assert parameters["timezone"] == "UTC"
    assert find("revenue").parse({"as_of": None})["as_of"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("as_of", "yesterday"),
        ("as_of", "2026-02-01T00:00:00"),
        ("as_of", "2026-13-01T00:00:00Z"),
        ("timezone", "Mars/Olympus"),
        ("currency", "EURO"),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(PerennialError) as refused:
        find("revenue").parse({name: value})
    assert isinstance(refused.value, InvalidInput)
    assert refused.value.field == name


def test_every_kind_of_parameter_is_used() -> None:
    used = {parameter.kind for report in REPORTS for parameter in report.parameters}
    assert used == set(ParameterKind)
