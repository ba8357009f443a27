"""A customer's credit and coupons through the API: what is shown, and what is refused with the field named."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.asking import Api, problem

GRANT = {"amount": 1500, "currency": "USD", "reason": "Sorry for the outage"}


async def test_credit_is_given_shown_and_used(api: Api, customer: dict[str, Any]) -> None:
    path = f"/v1/customers/{customer['id']}"
    given = await api.post(f"{path}/credits", GRANT)
    assert given.status_code == 201, given.text
    grant = given.json()
    assert (grant["remaining"], grant["expires_at"], grant["uses"]) == (1500, None, [])
    later = await api.post(f"{path}/credits", GRANT | {"amount": 200, "expires_at": "2100-01-01T00:00:00Z"})
    balance = (await api.get(f"{path}/balance")).json()
    assert balance["currencies"] == [
        {"currency": "USD", "amount": 1700, "next_expiry_at": "2100-01-01T00:00:00Z", "next_expiry_amount": 200}
    ]

    await api.subscribe(customer["id"])
    [invoice] = (await api.get("/v1/invoices", customer_id=customer["id"])).json()["data"]
    assert (invoice["total"], invoice["credit_applied"], invoice["amount_due"]) == (900, 900, 0)
    listed = (await api.get(f"{path}/credits")).json()["data"]
    assert [(row["id"], row["remaining"]) for row in listed] == [(later.json()["id"], 0), (grant["id"], 800)]
    assert [(use["invoice_id"], use["amount"]) for row in listed for use in row["uses"]] == [
        (invoice["id"], 200),
        (invoice["id"], 700),
    ]
    assert (await api.get(f"{path}/balance")).json()["currencies"][0]["amount"] == 800


async def test_the_same_request_gives_once(api: Api, customer: dict[str, Any]) -> None:
    path, key = f"/v1/customers/{customer['id']}/credits", str(uuid4())
    first = await api.post(path, GRANT, key=key)
    assert (await api.post(path, GRANT, key=key)).json() == first.json()
    problem(await api.post(path, GRANT | {"amount": 1}, key=key), 409, "idempotency_key_reused")
    assert len((await api.get(path)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": "1500"}, "amount"),
        ({"currency": "XXQ"}, "currency"),
        ({"reason": ""}, "reason"),
        ({"expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        ({"expires": "never"}, "expires"),
    ],
)
async def test_a_grant_that_makes_no_sense(
    api: Api, customer: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    path = f"/v1/customers/{customer['id']}/credits"
    problem(await api.post(path, GRANT | change), 422, field=field)
    assert (await api.get(path)).json()["data"] == []


async def test_nobody_has_no_credit(api: Api) -> None:
    for path in ("credits", "balance"):
        problem(await api.get(f"/v1/customers/cus_nobody/{path}"), 404, "not_found")
    problem(await api.post("/v1/customers/cus_nobody/credits", GRANT), 404, "not_found")


async def test_a_coupon_says_who_redeemed_it_and_is_archived(api: Api, customer: dict[str, Any]) -> None:
    code = f"ONCE-{uuid4().hex[:8]}"
    made = await api.post(
        "/v1/coupons",
        {"code": code, "percent_off": "50", "max_redemptions": 1, "plans": ["basic-monthly"], "combinable": True},
    )
    assert made.status_code == 201, made.text
    assert (made.json()["redeemed"], made.json()["plans"]) == (0, ["basic-monthly"])
    problem(await _check_out(api, customer, code, plan="standard-monthly"), 422, field="coupon")
    bought = await _check_out(api, customer, code)
    assert bought.status_code == 201, bought.text
    [redemption] = (await api.get(f"/v1/coupons/{code}/redemptions")).json()["data"]
    assert (redemption["subscription_id"], redemption["customer_id"]) == (bought.json()["id"], customer["id"])
    assert redemption["released_at"] is None
    assert (await api.get(f"/v1/coupons/{code}/redemptions", customer_id="cus_other")).json()["data"] == []
    assert (await api.get(f"/v1/coupons/{code}")).json()["redeemed"] == 1

    other = await api.customer()
    problem(await _check_out(api, other, code), 409, "coupon_exhausted")
    archived = (await api.post(f"/v1/coupons/{code}/archive")).json()
    assert archived["archived_at"]
    assert (await api.post(f"/v1/coupons/{code}/archive")).json() == archived
    problem(await _check_out(api, other, code), 409, "coupon_archived")
    assert (await api.get("/v1/subscriptions", customer_id=other["id"])).json()["data"] == []


async def test_a_coupon_that_has_expired_or_is_for_newcomers(api: Api, customer: dict[str, Any]) -> None:
    past, fresh = f"PAST-{uuid4().hex[:8]}", f"FRESH-{uuid4().hex[:8]}"
    await api.post("/v1/coupons", {"code": past, "percent_off": "5", "expires_at": "2020-01-01T00:00:00Z"})
    await api.post("/v1/coupons", {"code": fresh, "percent_off": "5", "first_time_only": True})
    problem(await _check_out(api, customer, past), 409, "coupon_expired")
    made = await api.subscribe(customer["id"])
    for path, body in (
        (f"/v1/subscriptions/{made['id']}/apply-coupon", {"coupon": fresh}),
        ("/v1/subscriptions", {"customer_id": customer["id"], "plan": "standard-monthly", "coupons": [fresh]}),
    ):
        problem(await api.post(path, body), 409, "first_time_only")


COUPON = {"code": "NO-SENSE", "percent_off": "20"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_off": 500, "currency": "USD"}, "percent_off"),
        ({"currency": "USD"}, "currency"),
        ({"percent_off": "0"}, "percent_off"),
        ({"percent_off": "100.5"}, "percent_off"),
        ({"duration_periods": 0}, "duration_periods"),
        ({"max_redemptions": 0}, "max_redemptions"),
        ({"max_redemptions": "10"}, "max_redemptions"),
        ({"plans": ["basic-monthly", "basic-monthly"]}, "plans"),
        ({"plans": "basic-monthly"}, "plans"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"combinable": "yes"}, "combinable"),
    ],
)
async def test_a_coupon_that_makes_no_sense(api: Api, change: dict[str, Any], field: str) -> None:
    problem(await api.post("/v1/coupons", COUPON | change), 422, field=field)
    problem(await api.get("/v1/coupons/NO-SENSE"), 404)


async def test_a_coupon_for_a_plan_that_there_is_not(api: Api) -> None:
    problem(await api.post("/v1/coupons", COUPON | {"plans": ["no-such-plan"]}), 404, "not_found")
    for path in ("", "/redemptions"):
        problem(await api.get(f"/v1/coupons/NO-SENSE{path}"), 404, "not_found")
    problem(await api.post("/v1/coupons/NO-SENSE/archive"), 404, "not_found")


async def _check_out(api: Api, customer: dict[str, Any], code: str, plan: str = "basic-monthly") -> Any:
    return await api.post("/v1/subscriptions", {"customer_id": customer["id"], "plan": plan, "coupons": [code]})
