"""The runner itself can fail: it passes over nothing that it does not know, and it notices one unit."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from perennial.domain.errors import InvalidPrice
from tests.conformance.schema import Malformed
from tests.conformance.vectors import MORE, OURS, Case, cases, folders, run

EVERY = {case.name: case for case in cases(OURS)}
ONE_OF_EACH = ["calendar-001", "proration-001", "proration-017", "pricing-001", "invoice-001", "invoice-004"]
ONE_OF_EACH += ["invoice-007", "dunning-001", "dunning-012", "dunning-028", "revenue_recognition-001"]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_an_unknown_field_fails(name: str) -> None:
    with pytest.raises(Malformed, match="surprise"):
        run(_changed(name, "surprise", 1))


@pytest.mark.parametrize("name", [name for name in ONE_OF_EACH if name != "calendar-001"])
def test_an_unknown_expectation_fails(name: str) -> None:
    case = _changed(name, None, None)
    case.data["expect"]["surprise"] = 1
    with pytest.raises(Malformed, match="surprise"):
        run(case)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_an_unknown_kind_fails(name: str) -> None:
    with pytest.raises(Malformed, match="surprise"):
        run(_changed(name, "kind", "surprise"))


@pytest.mark.parametrize("name", ["invoice-001", "dunning-001"])
def test_an_unknown_field_deep_inside_fails(name: str) -> None:
    case = _changed(name, None, None)
    key = "lines" if name.startswith("invoice") else "attempts"
    case.data["expect"][key][0]["surprise"] = 1
    with pytest.raises(Malformed, match=key):
        run(case)


def test_an_unknown_family_fails() -> None:
    with pytest.raises(Malformed, match="surprise"):
        run(Case("surprise", "x", EVERY["pricing-001"].data))


def test_an_unknown_field_of_a_model_fails() -> None:
    case = _changed("pricing-001", None, None)
    case.data["model"]["tiers"][0]["surprise"] = "1"
    with pytest.raises(InvalidPrice, match="surprise"):
        run(case)


def test_a_missing_field_fails() -> None:
    case = _changed("proration-001", None, None)
    del case.data["timezone"]
    with pytest.raises(Malformed, match="timezone"):
        run(case)


def test_one_unit_is_noticed() -> None:
    case = _changed("pricing-001", "expect", {"amount": 701})
    found, expected = run(case)
    assert found != expected


def test_more_vectors_are_read_from_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MORE, str(tmp_path))
    with pytest.raises(FileNotFoundError):
        folders()
    content = {"family": "pricing", "version": 1, "cases": [EVERY["pricing-001"].data]}
    (tmp_path / "more.json").write_text(json.dumps(content))
    assert folders() == [OURS, tmp_path]
    (case,) = cases(tmp_path)
    found, expected = run(case)
    assert found == expected


def test_a_float_is_no_amount(tmp_path: Path) -> None:
    data = {**EVERY["pricing-001"].data, "expect": {"amount": 700.0}}
    (tmp_path / "floats.json").write_text(json.dumps({"family": "pricing", "version": 1, "cases": [data]}))
    (case,) = cases(tmp_path)
    with pytest.raises(Malformed, match="amount"):
        run(case)


def _changed(name: str, key: str | None, value: Any) -> Case:
    data = deepcopy(EVERY[name].data)
    if key:
        data[key] = value
    return Case(EVERY[name].family, name, data)
