"""Pages: everything once, newest first, and cursors that only we can make."""

from typing import Any
from uuid import uuid4

from tests.api.asking import Api, problem


async def test_pages_hold_everything_once_while_rows_are_added(api: Api) -> None:
    email = f"{uuid4().hex}@example.com"
    people = [{"name": f"Ada {n}", "email": email} for n in range(7)]
    made = [(await api.post("/v1/customers", person)).json()["id"] for person in people]

    seen: list[Any] = []
    page = (await api.get("/v1/customers", email=email, limit=3)).json()
    while True:
        seen += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        await api.post("/v1/customers", {"name": "later", "email": email})
        page = (await api.get("/v1/customers", email=email, limit=3, cursor=page["next_cursor"])).json()

    assert seen == list(reversed(made))


async def test_a_cursor_belongs_to_its_list(api: Api) -> None:
    for n in range(2):
        await api.post("/v1/customers", {"name": f"Ada {n}", "email": "pages@example.com"})
    cursor = (await api.get("/v1/customers", limit=1)).json()["next_cursor"]

    assert (await api.get("/v1/customers", cursor=cursor)).status_code == 200
    problem(await api.get("/v1/messages", cursor=cursor), 422, field="cursor")
    problem(await api.get("/v1/customers", cursor=cursor[:-4] + "AAAA"), 422, field="cursor")


async def test_plans_and_their_versions(api: Api) -> None:
    code = f"versions-{uuid4().hex[:8]}"
    body = {
        "code": code,
        "name": "Versions",
        "interval": {"unit": "month", "count": 3},
        "prices": {"USD": {"type": "per_unit", "unit_price": "0.0123"}},
    }
    first = (await api.post("/v1/plans", body)).json()
    same = (await api.post("/v1/plans", body)).json()
    second = (await api.post("/v1/plans", body | {"trial_days": 7})).json()

    assert [plan["version"] for plan in (first, same, second)] == [1, 1, 2]
    assert first["interval"] == {"unit": "month", "count": 3}
    assert (await api.get(f"/v1/plans/{code}")).json() == second
    listed = (await api.get("/v1/plans", limit=100)).json()["data"]
    assert [plan["version"] for plan in listed if plan["code"] == code] == [2]


async def test_coupons(api: Api) -> None:
    code = uuid4().hex
    made = await api.post("/v1/coupons", {"code": code, "amount_off": 500, "currency": "USD", "duration_periods": 2})
    assert made.status_code == 201
    problem(await api.post("/v1/coupons", {"code": code, "percent_off": "10"}), 409, "conflict")
    assert (await api.get(f"/v1/coupons/{code}")).json() == made.json()
    assert made.json() in (await api.get("/v1/coupons", limit=100)).json()["data"]


async def test_customers_change(api: Api, customer: dict[str, Any]) -> None:
    changed = await api.ask(
        "PATCH", f"/v1/customers/{customer['id']}", json={"name": "Countess", "timezone": "Asia/Tokyo"}
    )
    assert changed.json() == customer | {"name": "Countess", "timezone": "Asia/Tokyo"}
    problem(await api.ask("PATCH", f"/v1/customers/{customer['id']}", json={}), 422)
    problem(await api.ask("PATCH", "/v1/customers/cus_nope", json={"name": "x"}), 404)


async def test_payment_methods_come_and_go(api: Api, customer: dict[str, Any]) -> None:
    path = f"/v1/customers/{customer['id']}/payment-methods"
    problem(await api.post(path, {"token": "pm_unknown"}), 422, field="payment_method")
    second = (await api.post(path, {"token": "pm_card_amex", "default": False})).json()
    assert "token" not in second
    assert [method["is_default"] for method in (await api.get(path)).json()["data"]] == [True, False]

    gone = await api.ask("DELETE", f"{path}/{second['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert len((await api.get(path)).json()["data"]) == 1
    problem(await api.ask("DELETE", f"{path}/{second['id']}"), 404)


async def test_invoices_are_found_in_every_way(api: Api, customer: dict[str, Any]) -> None:
    subscription = await api.subscribe(customer["id"])
    by_customer = (await api.get("/v1/invoices", customer_id=customer["id"], status="paid")).json()["data"]
    by_subscription = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    assert by_customer == by_subscription
    assert (await api.get(f"/v1/invoices/{by_customer[0]['id']}")).json() == by_customer[0]
    assert (await api.get("/v1/invoices", customer_id=customer["id"], status="void")).json()["data"] == []
    of_invoice = (await api.get("/v1/payments", invoice_id=by_customer[0]["id"])).json()["data"]
    assert [payment["amount"] for payment in of_invoice] == [900]
