"""Reports over HTTP: those of the registry, with their parameters, and what is wrong in one."""

from typing import Any

import pytest

from perennial.engine.context import Engine
from perennial.reports.registry import REPORTS
from tests.api.asking import Api, problem
from tests.support.stage import eventually


async def test_every_report_says_what_it_is(api: Api) -> None:
    told = (await api.get("/v1/reports")).json()["data"]
    assert [each["name"] for each in told] == [report.name for report in REPORTS]
    settlements = next(each for each in told if each["name"] == "settlements")
    assert [parameter["name"] for parameter in settlements["parameters"]] == ["since", "until", "currency"]
    assert "`gateway_net`" in settlements["definition"]
    assert {"name": "net", "title": "Net", "kind": "money"} in settlements["columns"]


@pytest.mark.parametrize("name", [report.name for report in REPORTS])
async def test_it_is_what_the_command_line_has(api: Api, engine: Engine, name: str) -> None:
    report = next(each for each in REPORTS if each.name == name)
    customer = await api.customer()
    await api.subscribe(customer["id"], currency="KWD")

    parameters = report.parse({"currency": "KWD"})

    async def told_alike() -> dict[str, Any] | None:
        """Not while the first payment is still being written down."""
        answer: dict[str, Any] = (await api.get(f"/v1/reports/{name}", currency="KWD")).json()
        rows = await engine.read(lambda session: report.run(session, parameters))
        return answer if answer["rows"] == rows else None

    answer = await eventually(told_alike)
    assert answer is not None
    assert [column["name"] for column in answer["columns"]] == [column.name for column in report.columns]
    assert answer["parameters"]["currency"] == "KWD"
    assert all(set(row) >= {column.name for column in report.columns} for row in answer["rows"])
    assert {row["currency"] for row in answer["rows"]} <= {"KWD"}


async def test_parameters_are_typed(api: Api) -> None:
    told = (await api.get("/v1/reports/revenue", timezone="Asia/Tokyo", as_of="2026-03-31T10:00:00Z")).json()
    assert told["parameters"] == {
        "timezone": "Asia/Tokyo",
        "as_of": "2026-03-31T10:00:00+00:00",
        "currency": None,
    }
    problem(await api.get("/v1/reports/revenue", timezone="Mars/X"), 422, field="timezone")
    problem(await api.get("/v1/reports/revenue", as_of="2026-03-31"), 422, field="as_of")
    problem(await api.get("/v1/reports/settlements", since="2026-02-30"), 422, field="since")
    problem(await api.get("/v1/reports/settlements", currency="XYZ"), 422, field="currency")
    problem(await api.get("/v1/reports/profit"), 404)
