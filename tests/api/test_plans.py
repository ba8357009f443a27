"""Plans with all their parts: what goes in comes out, and what is wrong is named by its field."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.asking import Api, problem

FLAT = {"type": "flat", "amount": "9.00"}
MODELS: dict[str, dict[str, Any]] = {
    "flat": FLAT,
    "per_unit": {"type": "per_unit", "unit_price": "12.50", "free_units": "1"},
    "graduated": {"type": "graduated", "tiers": [{"up_to": 5, "unit_price": "7"}, {"up_to": None, "unit_price": "6"}]},
    "volume": {"type": "volume", "tiers": [{"up_to": 5, "unit_price": "7"}, {"up_to": None, "flat_fee": "6"}]},
    "package": {"type": "package", "package_size": "100", "package_price": "5.00", "free_units": "100"},
    "percentage": {"type": "percentage", "rate_percent": "1.2", "fixed_fee": "0.10", "free_amount": "500"},
    "commitment": {"type": "commitment", "unit_price": "2", "commitment_amount": "1000", "true_up": True},
    "minimum": {"type": "per_unit", "unit_price": "0.01", "minimum_amount": "10.00"},
}
RISING: list[Any] = [{"up_to": 10, "unit_price": "1"}, {"up_to": 20, "unit_price": "1"}]
OVERLAP: list[Any] = [{"up_to": 10, "unit_price": "1"}, {"up_to": 10, "unit_price": "1"}, {"up_to": None}]
EARLY: list[Any] = [{"up_to": None, "unit_price": "1"}, {"up_to": 10, "unit_price": "1"}]


def plan(**parts: Any) -> dict[str, Any]:
    code = f"plan-{uuid4().hex[:8]}"
    return {"code": code, "name": "A plan", "interval": {"unit": "month"}, "prices": {"USD": FLAT}} | parts


def charge(**fields: Any) -> dict[str, Any]:
    part = {"code": "calls", "name": "Calls", "meter": "nope", "prices": {"USD": FLAT}} | fields
    return plan(charges=[{name: value for name, value in part.items() if value is not None}])


def fees(*amounts: Any) -> dict[str, Any]:
    return plan(fees=[{"code": "setup", "name": "Setup", "amounts": {"USD": amount}} for amount in amounts])


def addons(*prices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return plan(addons=[{"code": "storage", "name": "Storage", "prices": {"USD": price}} | more for price in prices])


def tiers(kind: str, table: list[Any]) -> dict[str, Any]:
    return plan(prices={"USD": {"type": kind, "tiers": table}})


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("no last tier", tiers("volume", RISING), "prices.USD.tiers[1].up_to"),
    ("tiers that overlap", tiers("graduated", OVERLAP), "prices.USD.tiers[1].up_to"),
    ("a last tier that comes first", tiers("graduated", EARLY), "prices.USD.tiers[0].up_to"),
    ("no tier at all", tiers("graduated", []), "prices.USD.tiers"),
    ("no last tier in a charge", charge(prices={"USD": tiers("volume", RISING)["prices"]["USD"]}),
     "charges[0].prices.USD.tiers[1].up_to"),
    ("a meter that there is not", charge(), "charges[0].meter"),
    ("no meter", charge(meter=None), "charges[0].meter"),
    ("no price of a charge", charge(prices={}), "charges[0].prices"),
    ("a currency that a charge lacks", charge(prices={"EUR": FLAT}), "charges[0].prices.USD"),
    ("a currency that the plan lacks", charge(prices={"USD": FLAT, "EUR": FLAT}), "charges[0].prices.EUR"),
    ("a currency that there is not", charge(prices={"USD": FLAT, "XXQ": FLAT}), "charges[0].prices.XXQ"),
    ("a negative fee", fees("-1.00"), "fees[0].amounts.USD"),
    ("a fee as a number", fees(49), "fees[0].amounts.USD"),
    ("a fee beyond any charge", fees("99999999999999"), "fees[0].amounts.USD"),
    ("two fees with one code", fees("1.00", "2.00"), "fees[1].code"),
    ("a negative add-on", addons({"type": "flat", "amount": "-1"}), "addons[0].prices.USD.amount"),
    ("an unknown field of an add-on", addons(FLAT, more=1), "addons[0].more"),
    ("two add-ons with one code", addons(FLAT, FLAT), "addons[1].code"),
    ("an add-on without a name", addons(FLAT, name=""), "addons[0].name"),
    ("an unknown kind of entitlement", plan(entitlements=[{"feature": "x", "kind": "y"}]), "entitlements[0].kind"),
    ("a limit by a meter that there is not",
     plan(entitlements=[{"feature": "x", "kind": "limit", "limit": 3, "meter": "nope"}]), "entitlements[0].meter"),
    ("taxes as a word", plan(tax_inclusive="yes"), "tax_inclusive"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_422_names_the_field_and_nothing_is_made(api: Api, body: dict[str, Any], field: str) -> None:
    problem(await api.post("/v1/plans", body), 422, field=field)
    problem(await api.get(f"/v1/plans/{body['code']}"), 404)


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_is_sold(api: Api, model: str) -> None:
    body = plan(prices={"USD": MODELS[model]}, addons=addons(MODELS[model])["addons"])
    made = (await api.post("/v1/plans", body)).json()
    assert made["prices"] == body["prices"]
    assert (await api.get(f"/v1/plans/{body['code']}")).json()["addons"] == body["addons"]


async def test_a_plan_with_everything_and_its_versions(api: Api, customer: dict[str, Any]) -> None:
    body = plan(fees=fees("49.00")["fees"], addons=addons(MODELS["volume"])["addons"], tax_inclusive=True)
    body["entitlements"] = [{"feature": "export", "kind": "switch"}, {"feature": "calls", "kind": "limit", "limit": 9}]
    first = await api.post("/v1/plans", body)
    assert first.status_code == 201, first.text
    assert {name: first.json()[name] for name in body if name != "interval"} == {
        name: value for name, value in body.items() if name != "interval"
    }
    assert (await api.post("/v1/plans", body)).json()["version"] == 1
    assert (await api.post("/v1/plans", body | {"tax_inclusive": False})).json()["version"] == 2
    listed = await api.get(f"/v1/plans/{body['code']}/versions", limit=1)
    assert [each["version"] for each in listed.json()["data"]] == [2]
    rest = await api.get(f"/v1/plans/{body['code']}/versions", cursor=listed.json()["next_cursor"])
    assert [each["version"] for each in rest.json()["data"]] == [1]
    made = await api.subscribe(customer["id"], plan=body["code"], addons=[{"code": "storage", "quantity": 2}])
    [invoice] = (await api.get("/v1/invoices", subscription_id=made["id"])).json()["data"]
    billed = [(line["kind"], line["description"], line["amount"]) for line in invoice["lines"]]
    assert billed == [("plan", "A plan", 900), ("add_on", "Storage", 1400), ("fee", "Setup", 4900)]


async def test_versions_of_a_plan_that_there_is_not(api: Api) -> None:
    problem(await api.get("/v1/plans/nope/versions"), 404, "not_found")
