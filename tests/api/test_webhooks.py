"""What a gateway says, and the customer's bank in between."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from perennial.engine.context import Engine
from perennial.gateways.simulator import WebhookDispatcher, signatures
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.relay import Relay
from tests.api.asking import Api, problem

PATH = "/v1/webhooks/simulator"
EVENT = {
    "id": "evt_api_1",
    "kind": "payment_succeeded",
    "charge_key": None,
    "gateway_ref": "ch_nobody",
    "status": "succeeded",
    "decline_code": None,
    "amount": 900,
    "currency": "USD",
}


async def _send(http: httpx.AsyncClient, engine: Engine, event: Any, **change: Any) -> httpx.Response:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    at = datetime.now(UTC) - change.pop("age", timedelta())
    secret = change.pop("secret", engine.settings.webhook_secret)
    headers = {signatures.HEADER: signatures.sign(secret, body, at), "Content-Type": "application/json"}
    return await http.post(change.pop("path", PATH), content=change.pop("instead", body), headers=headers)


async def test_a_signed_event_is_received_once(http: httpx.AsyncClient, engine: Engine) -> None:
    first = await _send(http, engine, EVENT)
    again = await _send(http, engine, EVENT)
    assert (first.status_code, first.json()) == (200, {"received": True, "duplicate": False})
    assert (again.status_code, again.json()) == (200, {"received": True, "duplicate": True})


async def test_what_is_not_signed_is_refused(http: httpx.AsyncClient, engine: Engine) -> None:
    code = "invalid_webhook_signature"
    problem(await http.post(PATH, json=EVENT), 400, code)
    problem(await _send(http, engine, EVENT, secret="somebody-else-entirely"), 400, code)
    problem(await _send(http, engine, EVENT, instead=b"{}"), 400, code)
    problem(await _send(http, engine, EVENT, age=timedelta(hours=1)), 400, code)
    problem(await _send(http, engine, EVENT, path="/v1/webhooks/acme"), 404)
    problem(await _send(http, engine, b"[]"), 422)
    problem(await _send(http, engine, b"x" * 1_100_000), 413)


async def _action_url(api: Api, subscription: dict[str, Any]) -> str:
    invoice = (await api.get(f"/v1/subscriptions/{subscription['id']}/invoices")).json()["data"][0]
    payment = (await api.get("/v1/payments", invoice_id=invoice["id"])).json()["data"][0]
    assert payment["status"] == "requires_action"
    url: str = payment["action_url"]
    return url


async def _eventually(api: Api, subscription: str, status: str) -> None:
    for _ in range(200):
        view = (await api.get(f"/v1/subscriptions/{subscription}")).json()
        if view["status"] == status:
            return
    raise AssertionError(view)


async def test_three_d_secure_from_the_page_to_the_active_subscription(
    api: Api, http: httpx.AsyncClient, engine: Engine
) -> None:
    customer = await api.customer("pm_card_threeDSecureOnce")
    subscription = await api.subscribe(customer["id"])
    assert subscription["status"] == "incomplete"
    url = await _action_url(api, subscription)

    page = await http.get(url)
    assert page.status_code == 200
    assert "Is that you?" in page.text
    assert "went through" in (await http.post(url, params={"outcome": "pass"})).text

    await _deliver(engine, http)
    await _eventually(api, subscription["id"], "active")


async def _deliver(engine: Engine, http: httpx.AsyncClient) -> None:
    """What the relay process does, with our application in the place of a port."""
    import asyncio

    dispatcher = WebhookDispatcher(engine.db, url="http://perennial.test" + PATH, secret=engine.settings.webhook_secret)
    loop = asyncio.get_running_loop()

    def post(url: str, **how: Any) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(http.post(url, **how), loop).result(30)

    dispatcher._client.post = post  # type: ignore[method-assign,assignment]
    await asyncio.to_thread(dispatcher.run_once)
    dispatcher.close()


async def test_the_page_knows_its_charges(http: httpx.AsyncClient) -> None:
    problem(await http.post("/simulator/authenticate/ch_nope", params={"outcome": "pass"}), 404)
    problem(await http.post("/simulator/authenticate/ch_nope", params={"outcome": "maybe"}), 422)
    problem(await http.post("/simulator/authenticate/a%00b", params={"outcome": "fail"}), 404)
    problem(await http.get("/simulator/authenticate/<script>"), 404)


async def test_the_mailbox_is_listed(api: Api, engine: Engine, customer: dict[str, Any]) -> None:
    await api.subscribe(customer["id"])
    relay = Relay(
        engine.sessions, (LocalMailbox(engine.sessions, engine.clock),), engine.clock, base_url="http://x.test"
    )
    for _ in range(50):
        await engine.read(lambda session: None)
        if not relay.run_once():
            break
    messages = (await api.get("/v1/messages", customer_id=customer["id"])).json()["data"]
    assert messages
    assert {message["recipient"] for message in messages} == {customer["email"]}
    kind = messages[0]["kind"]
    assert (await api.get("/v1/messages", customer_id=customer["id"], kind=kind)).json()["data"]
