"""A gift is bought, delivered, claimed; and what is refused on the way."""

from typing import Any

from tests.api.asking import Api, problem


def _gift(giver: str, **more: Any) -> dict[str, Any]:
    recipient = {"recipient_name": "Charles", "recipient_email": "charles@example.com"}
    return {"giver_id": giver, "plan": "standard-monthly", "periods": 3, "message": "For you"} | recipient | more


async def test_bought_and_claimed(api: Api, customer: dict[str, Any]) -> None:
    bought = await api.post("/v1/gifts", _gift(customer["id"]))
    assert bought.status_code == 201, bought.text
    gift = bought.json()
    assert gift["status"] == "delivered"
    recipient = (await api.post("/v1/customers", {"name": "Charles", "email": "charles@example.com"})).json()

    claim = {"code": gift["claim_code"].lower(), "customer_id": recipient["id"], "timezone": "Europe/London"}
    claimed = await api.post("/v1/gifts/claim", claim)
    assert claimed.status_code == 200, claimed.text
    assert (claimed.json()["status"], claimed.json()["recipient_id"]) == ("claimed", recipient["id"])
    subscription = (await api.get(f"/v1/subscriptions/{claimed.json()['subscription_id']}")).json()
    assert (subscription["status"], subscription["gift_id"]) == ("active", gift["id"])
    assert subscription["timezone"] == "Europe/London"

    problem(await api.post("/v1/gifts/claim", claim), 409)
    problem(await api.post(f"/v1/gifts/{gift['id']}/cancel"), 409, "gift_not_cancelable")
    assert [
        row["id"] for row in (await api.get("/v1/gifts", giver_id=customer["id"], status="claimed")).json()["data"]
    ] == [gift["id"]]
    paid = (await api.get("/v1/invoices", gift_id=gift["id"])).json()["data"]
    assert [(invoice["total"], invoice["status"]) for invoice in paid] == [(5700, "paid")]


async def test_canceled_before_it_is_delivered(api: Api, customer: dict[str, Any]) -> None:
    gift = (await api.post("/v1/gifts", _gift(customer["id"], deliver_at="2099-12-24T08:00:00Z"))).json()
    assert gift["status"] == "scheduled"
    claim = {"code": gift["claim_code"], "customer_id": customer["id"]}
    problem(await api.post("/v1/gifts/claim", claim), 409, "gift_not_claimable")

    canceled = await api.post(f"/v1/gifts/{gift['id']}/cancel")
    assert canceled.json()["status"] == "canceled"
    assert (await api.get(f"/v1/gifts/{gift['id']}")).json() == canceled.json()
    problem(await api.post("/v1/gifts/claim", claim), 409, "gift_not_claimable")


async def test_who_subscribes_already_cannot_claim(api: Api, customer: dict[str, Any]) -> None:
    gift = (await api.post("/v1/gifts", _gift(customer["id"]))).json()
    await api.subscribe(customer["id"], plan="standard-monthly")
    claim = {"code": gift["claim_code"], "customer_id": customer["id"]}
    problem(await api.post("/v1/gifts/claim", claim), 409, "already_subscribed")


async def test_a_giver_without_a_card(api: Api) -> None:
    giver = (await api.post("/v1/customers", {"name": "Poor", "email": "poor@example.com"})).json()
    problem(await api.post("/v1/gifts", _gift(giver["id"])), 422, "payment_method_required")
