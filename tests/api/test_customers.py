"""Where customers are, what they are called on documents, and how it is known."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.asking import Api, problem

PERSON = {"name": "Marie Curie", "email": "marie@example.com"}
COMPANY = PERSON | {
    "locale": "FR-fr",
    "company": "Radium SARL",
    "address_line1": "12 rue Cuvier",
    "postal_code": "75005",
    "city": "Paris",
    "country": "FR",
    "vat_number": "fr 40 303 265 045",
    "net_days": 30,
}


async def made(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/v1/customers", body)
    assert answer.status_code == 201, answer.text
    customer: dict[str, Any] = answer.json()
    return customer


async def evidence(api: Api, customer: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    rows = (await api.get(f"/v1/customers/{customer['id']}/location-evidence")).json()["data"]
    return [(row["kind"], row["country"], row["region"]) for row in rows]


async def test_a_company_is_kept_in_one_form(api: Api) -> None:
    customer = await made(api, COMPANY)
    assert customer == (await api.get(f"/v1/customers/{customer['id']}")).json()
    assert (customer["vat_number"], customer["locale"], customer["net_days"]) == ("FR40303265045", "fr-FR", 30)
    assert customer["vat_checked_at"]
    assert await evidence(api, customer) == [("billing_address", "FR", None)]


async def test_a_person_needs_nothing_of_it(api: Api) -> None:
    customer = await made(api, PERSON)
    assert (customer["country"], customer["vat_number"], customer["vat_checked_at"]) == (None, None, None)
    assert (customer["locale"], customer["tax_exempt"], customer["net_days"]) == ("en", False, None)
    assert await evidence(api, customer) == []


async def test_only_what_is_named_changes_and_null_clears(api: Api) -> None:
    customer = await made(api, COMPANY)
    path = f"/v1/customers/{customer['id']}"
    changed = (await api.ask("PATCH", path, json={"city": "Lyon", "net_days": None, "tax_exempt": True})).json()
    assert changed == customer | {"city": "Lyon", "net_days": None, "tax_exempt": True}
    cleared = (await api.ask("PATCH", path, json={"vat_number": None, "name": None, "locale": None})).json()
    assert cleared == changed | {"vat_number": None, "vat_checked_at": None}


async def test_a_number_has_to_go_with_the_country(api: Api) -> None:
    customer = await made(api, COMPANY)
    path = f"/v1/customers/{customer['id']}"
    problem(await api.ask("PATCH", path, json={"country": "DE"}), 422, "invalid_input", "vat_number")
    problem(await api.ask("PATCH", path, json={"country": None}), 422, "invalid_input", "country")
    assert (await api.get(path)).json() == customer
    moved = {"country": "DE", "vat_number": "DE136695976"}
    assert (await api.ask("PATCH", path, json=moved)).json()["vat_number"] == "DE136695976"


async def test_evidence_is_added_and_never_replaced(api: Api) -> None:
    told = [{"kind": "ip", "country": "US"}, {"kind": "card", "country": "CA"}]
    customer = await made(api, PERSON | {"country": "CA", "region": "BC", "location_evidence": told})
    path = f"/v1/customers/{customer['id']}"
    at_first = [("card", "CA", None), ("ip", "US", None), ("billing_address", "CA", "BC")]
    assert await evidence(api, customer) == at_first
    # The same address says nothing new, another does.
    await api.ask("PATCH", path, json={"region": "BC", "city": "Vancouver"})
    assert await evidence(api, customer) == at_first
    await api.ask("PATCH", path, json={"region": "ON", "location_evidence": [{"kind": "declared", "country": "CA"}]})
    assert await evidence(api, customer) == [("declared", "CA", None), ("billing_address", "CA", "ON"), *at_first]

    page = (await api.get(f"{path}/location-evidence", limit=2)).json()
    rest = (await api.get(f"{path}/location-evidence", limit=9, cursor=page["next_cursor"])).json()
    assert [len(page["data"]), len(rest["data"])] == [2, 3]
    problem(await api.get("/v1/customers/cus_nobody/location-evidence"), 404)


async def test_a_first_subscription_takes_the_whole_customer(api: Api) -> None:
    email = f"{uuid4().hex}@example.com"
    body = {"customer": COMPANY | {"email": email}, "payment_method": "pm_card_visa", "plan": "basic-monthly"}
    subscription = (await api.post("/v1/subscriptions", body)).json()
    customer = (await api.get(f"/v1/customers/{subscription['customer_id']}")).json()
    assert (customer["company"], customer["vat_number"]) == ("Radium SARL", "FR40303265045")
    assert await evidence(api, customer) == [("billing_address", "FR", None)]
    wrong = {**body, "customer": COMPANY | {"vat_number": "FR40303265046"}}
    problem(await api.post("/v1/subscriptions", wrong), 422, "invalid_input", "customer.vat_number")


GUESS, NOWHERE = {"kind": "guess", "country": "AT"}, {"kind": "ip", "country": "XX"}
OTHER = {"kind": "billing_address", "country": "AT"}
REFUSED = [
    ("no country", {"country": "XX"}, "country"),
    ("a country in small letters", {"country": "fr"}, "country"),
    ("the Union is no country", {"country": "EU"}, "country"),
    ("a region without a country", {"region": "BC"}, "region"),
    ("a region of another country", {"country": "US", "region": "BC"}, "region"),
    ("a region that is none", {"country": "CA", "region": "British Columbia"}, "region"),
    ("a wrong VAT number", {"country": "FR", "vat_number": "FR40303265046"}, "vat_number"),
    ("a VAT number of another country", {"country": "FR", "vat_number": "DE136695976"}, "vat_number"),
    ("a VAT number that nobody can check", {"country": "US", "vat_number": "98-7654321"}, "vat_number"),
    ("a VAT number without a country", {"vat_number": "FR40303265045"}, "country"),
    ("a language that is none", {"locale": "klingon"}, "locale"),
    ("another way to write languages", {"locale": "de_AT"}, "locale"),
    ("more than a year to pay", {"net_days": 366}, "net_days"),
    ("less than no time to pay", {"net_days": -1}, "net_days"),
    ("days as a string", {"net_days": "30"}, "net_days"),
    ("a truth as a string", {"tax_exempt": "yes"}, "tax_exempt"),
    ("a kind of evidence that is none", {"location_evidence": [GUESS]}, "location_evidence[0].kind"),
    ("an address that is not the customer's", {"location_evidence": [OTHER]}, "location_evidence[0].kind"),
    ("evidence of no country", {"location_evidence": [NOWHERE]}, "location_evidence[0].country"),
    ("a line break in an address", {"city": "Paris\nTotal: 0"}, "city"),
    ("a card number for a name of a company", {"company": "4242 4242 4242 4242"}, "company"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_cannot_be_right_is_refused_by_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    problem(await api.post("/v1/customers", PERSON | body), 422, field=field)
