"""Checkout sessions through the API: made once, opened by their secret alone, over when they are over."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from api.app import create_app
from perennial.engine.context import Engine
from tests.api.asking import Api, problem

PATH = "/v1/checkout-sessions"


async def make(api: Api, customer: dict[str, Any], key: str | None = None, **more: Any) -> dict[str, Any]:
    body = {"mode": "subscription", "customer_id": customer["id"], "plan": "basic-monthly"} | more
    answer = await api.post(PATH, body, key=key)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
async def tomorrow(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """The same application, a day and a bit later."""
    app = create_app(engine.settings)
    app.state.engine = replace(engine, clock=lambda: engine.clock() + timedelta(hours=25))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://perennial.test") as client:
        yield client


async def test_the_same_request_makes_one_session_with_one_link(api: Api, customer: dict[str, Any]) -> None:
    key = uuid4().hex
    first, again = [await make(api, customer, key) for _ in range(2)]
    assert first == again
    assert (await api.get(f"{PATH}/{first['id']}")).json() == first
    assert (first["status"], first["subscription_id"], first["completed_at"]) == ("open", None, None)


async def test_the_row_does_not_hold_what_the_link_carries(api: Api, engine: Engine, customer: dict[str, Any]) -> None:
    made = await make(api, customer)
    secret = made["url"].partition("?key=")[2]
    assert len(secret) >= 32
    with engine.db.connect() as connection:
        row = connection.execute(
            text("SELECT row_to_json(s)::text FROM checkout_sessions s WHERE id = :id"), {"id": made["id"]}
        ).scalar_one()
    assert secret not in row


async def test_only_the_secret_opens_it(api: Api, http: httpx.AsyncClient, customer: dict[str, Any]) -> None:
    one, other = [await make(api, customer) for _ in range(2)]
    path, _, secret = one["url"].partition("?key=")
    for key in ("", "x", secret[:-1], other["url"].partition("?key=")[2]):
        refused = await http.get(path, params={"key": key})
        assert refused.status_code == 404
        assert "This link leads nowhere" in refused.text
    assert (await http.get(path)).status_code == 404
    opened = await http.get(one["url"])
    assert opened.status_code == 303
    for word in ("HttpOnly", "SameSite=lax", f"Path=/checkout/{one['id']}"):
        assert word in opened.headers["set-cookie"]
    assert secret not in opened.headers["location"]


async def test_a_form_without_the_secret_does_nothing(
    api: Api, http: httpx.AsyncClient, customer: dict[str, Any]
) -> None:
    made = await make(api, customer)
    path, _, _ = made["url"].partition("?key=")
    await http.get(made["url"])
    forged = await http.post(path, data={"tries": "0", "method": "new:pm_card_visa", "key": ""})
    assert forged.status_code == 404
    assert (await api.get("/v1/subscriptions", customer_id=customer["id"])).json()["data"] == []


@pytest.mark.parametrize(
    "form", [{"tries": "x"}, {}, {"tries": "0", "role": "king"}, {"tries": "0", "method": "saved:pm_of_nobody"}]
)
async def test_a_form_that_is_not_ours_charges_nothing(
    form: dict[str, str], api: Api, http: httpx.AsyncClient, customer: dict[str, Any]
) -> None:
    made = await make(api, customer)
    path, _, secret = made["url"].partition("?key=")
    answer = await http.post(path, data=form | {"key": secret})
    assert answer.status_code in (303, 404)
    assert (await api.get("/v1/payments", customer_id=customer["id"])).json()["data"] == []


async def test_an_expired_link_says_so(
    api: Api, http: httpx.AsyncClient, tomorrow: httpx.AsyncClient, customer: dict[str, Any]
) -> None:
    by_time, by_hand = [await make(api, customer) for _ in range(2)]
    late = await tomorrow.get(by_time["url"], follow_redirects=True)
    assert late.status_code == 410
    assert "This link has expired" in late.text
    assert (await api.get(f"{PATH}/{by_time['id']}")).json()["status"] == "expired"
    for _ in range(2):
        expired = await api.post(f"{PATH}/{by_hand['id']}/expire")
        assert (expired.json()["status"], expired.json()["url"]) == ("expired", None)
    assert (await http.get(by_hand["url"], follow_redirects=True)).status_code == 410


async def test_a_page_holds_the_browser_to_itself(api: Api, http: httpx.AsyncClient, customer: dict[str, Any]) -> None:
    page = await http.get((await make(api, customer))["url"], follow_redirects=True)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    for name, value in {
        "cache-control": "no-store",
        "x-frame-options": "DENY",
        "referrer-policy": "strict-origin",
    }.items():
        assert page.headers[name] == value
    style = await http.get("/web/checkout.css")
    assert style.headers["content-type"].startswith("text/css")


async def test_lists_are_filtered(api: Api, customer: dict[str, Any]) -> None:
    subscribing = await make(api, customer)
    setup = (await api.post(PATH, {"mode": "setup", "customer_id": customer["id"]})).json()
    await api.post(f"{PATH}/{setup['id']}/expire")
    listed = (await api.get(PATH, customer_id=customer["id"])).json()["data"]
    assert [each["id"] for each in listed] == [setup["id"], subscribing["id"]]
    for name, value, expected in (("mode", "setup", setup), ("status", "open", subscribing)):
        found = (await api.get(PATH, customer_id=customer["id"], **{name: value})).json()["data"]
        assert [each["id"] for each in found] == [expected["id"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"expires_in": 60}, "expires_in"),
        ({"expires_in": 86_401}, "expires_in"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"cancel_url": "https://shop.example/ a"}, "cancel_url"),
        ({"quantity": 0}, "quantity"),
        ({"invoice_id": "inv_1"}, "invoice_id"),
        ({"mode": "gift"}, "body"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    change: dict[str, Any], field: str, api: Api, customer: dict[str, Any]
) -> None:
    body = {"mode": "subscription", "customer_id": customer["id"], "plan": "basic-monthly"} | change
    refused = problem(await api.post(PATH, body), 422)
    assert any(field in error["field"] for error in refused["errors"]) or field == "body"


async def test_what_could_never_be_done_is_refused_at_once(api: Api, customer: dict[str, Any]) -> None:
    of = {"mode": "subscription", "customer_id": customer["id"]}
    problem(await api.post(PATH, of | {"plan": "no-such-plan"}), 404)
    problem(await api.post(PATH, of | {"plan": "basic-monthly", "coupons": ["none"]}), 404)
    problem(await api.post(PATH, {"mode": "setup", "customer_id": "cus_of_nobody"}), 404)
    problem(await api.post(PATH, {"mode": "invoice", "invoice_id": "inv_of_nobody"}), 404)
    await api.subscribe(customer["id"])
    problem(await api.post(PATH, of | {"plan": "basic-monthly"}), 409, "already_subscribed")
    [paid] = (await api.get("/v1/invoices", customer_id=customer["id"])).json()["data"]
    problem(await api.post(PATH, {"mode": "invoice", "invoice_id": paid["id"]}), 409, "invoice_paid")


async def test_a_completed_session_cannot_be_expired(
    api: Api, http: httpx.AsyncClient, customer: dict[str, Any]
) -> None:
    made = await make(api, customer)
    path, _, secret = made["url"].partition("?key=")
    page = await http.get(made["url"], follow_redirects=True)
    shown = page.text.split('name="shown" value="')[1].partition('"')[0]
    form = {"key": secret, "tries": "0", "shown": shown, "method": "new:pm_card_visa"}
    assert (await http.post(path, data=form)).status_code == 303
    problem(await api.post(f"{PATH}/{made['id']}/expire"), 409, "checkout_completed")
