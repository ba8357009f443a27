"""Rates of the merchant's own: dated, never two at once, ended and not deleted."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.api.asking import Api, problem

pytestmark = pytest.mark.usefixtures("nobody_sells")

RATE = {"country": "US", "region": "NY", "name": "Sales tax", "percent": "8.875", "valid_from": "2026-01-01"}


def named() -> dict[str, Any]:
    """A tax of this test alone."""
    return RATE | {"name": f"Tax {uuid4().hex}"}


async def test_a_rate_is_kept_and_found(api: Api) -> None:
    body = named()
    made = await api.post("/v1/tax-rates", body, key=uuid4().hex)
    assert made.status_code == 201
    rate = made.json()
    assert (rate["percent"], rate["combined"], rate["valid_to"]) == ("8.875", False, None)
    assert (await api.get(f"/v1/tax-rates/{rate['id']}")).json()["name"] == body["name"]
    listed = (await api.get("/v1/tax-rates", country="US", limit=100)).json()["data"]
    assert rate["id"] in [each["id"] for each in listed]
    assert (await api.get("/v1/tax-rates", country="AQ")).json()["data"] == []
    problem(await api.get("/v1/tax-rates/txr_none"), 404)


async def test_two_rates_of_a_name_never_hold_on_one_day(api: Api) -> None:
    body = named()
    first = (await api.post("/v1/tax-rates", body)).json()
    later = body | {"percent": "9", "valid_from": "2027-01-01"}
    problem(await api.post("/v1/tax-rates", later), 409, "conflict")
    path = f"/v1/tax-rates/{first['id']}"
    assert (await api.ask("PATCH", path, json={"valid_to": "2027-01-01"})).json()["valid_to"] == "2027-01-01"
    assert (await api.post("/v1/tax-rates", later)).status_code == 201
    problem(await api.ask("PATCH", path, json={"valid_to": None}), 409, "conflict")
    problem(await api.ask("PATCH", path, json={"valid_to": "2027-01-02"}), 409, "conflict")
    assert (await api.ask("PATCH", path, json={"valid_to": "2026-06-01"})).status_code == 200
    # Another region, or the country itself, is another place.
    assert (await api.post("/v1/tax-rates", body | {"region": "NJ"})).status_code == 201
    assert (await api.post("/v1/tax-rates", {k: v for k, v in body.items() if k != "region"})).status_code == 201


async def test_of_two_that_come_at_once_one_is_kept(api: Api) -> None:
    body = named()
    answers = await asyncio.gather(*(api.post("/v1/tax-rates", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]


REFUSED = [
    ("no country", {"country": "XX"}, "country"),
    ("a region that is none", {"region": "BC"}, "region"),
    ("a percentage as a number", {"percent": 8.875}, "percent"),
    ("a percentage in words", {"percent": "8,875"}, "percent"),
    ("less than nothing", {"percent": "-1"}, "percent"),
    ("more than all", {"percent": "100.5"}, "percent"),
    ("no name", {"name": ""}, "name"),
    ("a day that is none", {"valid_from": "2026-02-30"}, "valid_from"),
    ("an instant for a day", {"valid_from": "2026-02-01T00:00:00Z"}, "valid_from"),
    ("a number for a day", {"valid_from": 20260201}, "valid_from"),
    ("a day in the Middle Ages", {"valid_from": "1066-10-14"}, "valid_from"),
    ("an end before the beginning", {"valid_to": "2026-01-01"}, "valid_to"),
    ("a country that holds itself", {"region": None, "combined": True}, "combined"),
]


@pytest.mark.parametrize(("fields", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_cannot_be_right_is_refused_by_its_field(api: Api, fields: dict[str, Any], field: str) -> None:
    problem(await api.post("/v1/tax-rates", RATE | fields), 422, field=field)
