"""What a newcomer does first, and that all of it happens or none."""

import asyncio
from typing import Any
from uuid import uuid4

from perennial.cli.dev_output import FIRST_SUBSCRIPTION
from tests.api.asking import Api, problem


async def test_one_request_makes_customer_card_and_subscription(api: Api) -> None:
    answer = await api.post("/v1/subscriptions", FIRST_SUBSCRIPTION)

    assert answer.status_code == 201, answer.text
    subscription = answer.json()
    assert subscription["status"] == "active"
    assert subscription["access"] is True
    assert subscription["plan"] == "basic-monthly"
    customer = (await api.get(f"/v1/customers/{subscription['customer_id']}")).json()
    assert customer["name"] == "Ada Lovelace"
    methods = (await api.get(f"/v1/customers/{customer['id']}/payment-methods")).json()["data"]
    assert [(method["last4"], method["is_default"]) for method in methods] == [("4242", True)]
    invoices = (await api.get(f"/v1/subscriptions/{subscription['id']}/invoices")).json()["data"]
    assert [(invoice["total"], invoice["status"], invoice["currency"]) for invoice in invoices] == [
        (900, "paid", "USD")
    ]
    assert [line["amount"] for line in invoices[0]["lines"]] == [900]


async def _customers_with(api: Api, email: str) -> list[Any]:
    listing: list[Any] = (await api.get("/v1/customers", email=email)).json()["data"]
    return listing


async def test_a_refused_one_leaves_no_customer_behind(api: Api) -> None:
    def body(**change: Any) -> dict[str, Any]:
        person = {"name": "Nobody", "email": email}
        return {"customer": person, "payment_method": "pm_card_visa", "plan": "basic-monthly"} | change

    email = f"{uuid4().hex}@example.com"
    refusals = [
        (body(plan="no-such-plan"), 404, "not_found", None),
        (body(payment_method="pm_unknown"), 422, "invalid_input", "payment_method"),
        (body(currency="CHF"), 422, "unsupported_currency", "currency"),
        (body(coupons=["NO-SUCH"]), 404, "not_found", None),
        (body(test_clock_id="clk_nope"), 404, "not_found", None),
        (body(payment_method=None), 422, "payment_method_required", "payment_method_id"),
    ]
    for refused, status, code, field in refusals:
        problem(await api.post("/v1/subscriptions", refused), status, code, field)
    assert await _customers_with(api, email) == []


async def test_a_repeated_one_is_the_same(api: Api) -> None:
    email, key = f"{uuid4().hex}@example.com", str(uuid4())
    body = FIRST_SUBSCRIPTION | {"customer": {"name": "Ada", "email": email}}

    first = await api.post("/v1/subscriptions", body, key=key)
    again = await api.post("/v1/subscriptions", body, key=key)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await _customers_with(api, email)) == 1


async def test_a_token_for_a_customer_who_exists(api: Api, customer: dict[str, Any]) -> None:
    subscription = await api.subscribe(customer["id"], payment_method="pm_card_mastercard")

    methods = (await api.get(f"/v1/customers/{customer['id']}/payment-methods")).json()["data"]
    by_id = {method["id"]: (method["brand"], method["is_default"]) for method in methods}
    assert sorted(by_id.values()) == [("mastercard", False), ("visa", True)]
    assert by_id[subscription["payment_method_id"]] == ("mastercard", False)


async def test_a_declined_first_payment_is_an_answer(api: Api) -> None:
    body = FIRST_SUBSCRIPTION | {"payment_method": "pm_card_chargeDeclined"}
    answer = await api.post("/v1/subscriptions", body)

    assert answer.status_code == 201
    assert answer.json()["status"] == "incomplete"
    assert answer.json()["access"] is False
    assert answer.json()["decline_code"] == "generic_decline"


async def test_the_same_plan_twice_is_refused_unless_it_allows_it(api: Api, customer: dict[str, Any]) -> None:
    first = await api.subscribe(customer["id"])
    refused = await api.post("/v1/subscriptions", {"customer_id": customer["id"], "plan": "basic-monthly"})

    assert first["id"] in problem(refused, 409, "already_subscribed")["detail"]
    await api.subscribe(customer["id"], plan="team-monthly", quantity=2)
    await api.subscribe(customer["id"], plan="team-monthly", quantity=3)


async def test_two_at_once_do_not_both_pass(api: Api, customer: dict[str, Any]) -> None:
    body = {"customer_id": customer["id"], "plan": "basic-monthly"}
    answers = await asyncio.gather(*(api.post("/v1/subscriptions", body) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
