"""Disputes as they are read, and what they forbid."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from perennial.engine import webhooks
from perennial.engine.context import Engine
from perennial.gateways.simulator import WebhookDispatcher
from tests.api.asking import Api, problem


async def _paid(api: Api, **plan: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A subscription of a plan of its own, and its payment."""
    code = f"disputed-{uuid4().hex[:8]}"
    body = {"code": code, "name": "Disputed", "interval": {"unit": "month"}}
    prices = {"prices": {"USD": {"type": "flat", "amount": "10.00"}}}
    assert (await api.post("/v1/plans", body | prices | plan)).status_code == 201
    subscription = await api.subscribe((await api.customer())["id"], code)
    found = (await api.get("/v1/payments", customer_id=subscription["customer_id"])).json()["data"]
    return subscription, found[0]


async def _bank(engine: Engine, http: httpx.AsyncClient, payment: dict[str, Any], outcome: str) -> None:
    said = await http.post(f"/simulator/disputes/{payment['id']}", params={"outcome": outcome})
    assert (said.status_code, said.json()["outcome"]) == (200, outcome)
    sent: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    dispatcher = WebhookDispatcher(engine.db, url="http://localhost/", secret=engine.settings.webhook_secret)
    dispatcher.close()
    dispatcher._client = httpx.Client(transport=httpx.MockTransport(take))
    while await asyncio.to_thread(dispatcher.run_once):
        pass
    dispatcher.close()
    for request in sent:
        await webhooks.receive(engine, "simulator", request.content, request.headers)


async def test_a_dispute_from_the_bank_to_the_list(api: Api, http: httpx.AsyncClient, engine: Engine) -> None:
    subscription, payment = await _paid(api)
    await _bank(engine, http, payment, "open")
    [dispute] = (await api.get("/v1/disputes", customer_id=subscription["customer_id"])).json()["data"]
    assert (dispute["payment_id"], dispute["status"], dispute["amount"]) == (payment["id"], "open", 1000)
    assert (dispute["reason"], dispute["closed_at"], dispute["credit_taken"]) == ("fraudulent", None, 0)
    assert (await api.get(f"/v1/disputes/{dispute['id']}")).json() == dispute

    invoice = {"invoice_id": payment["invoice_id"]}
    assert (await api.get("/v1/disputes", **invoice, status="won")).json()["data"] == []
    refused = await api.post(f"/v1/invoices/{payment['invoice_id']}/credit-notes", {"refund": "to_balance"})
    problem(refused, 409, "charge_disputed")
    for _ in range(200):
        view = (await api.get(f"/v1/subscriptions/{subscription['id']}")).json()
        if view["status"] == "paused":
            break
    assert (view["status"], view["access"], view["open_disputes"]) == ("paused", False, 1)
    problem(await api.post(f"/v1/subscriptions/{subscription['id']}/resume"), 409, "subscription_disputed")

    await _bank(engine, http, payment, "won")
    [dispute] = (await api.get("/v1/disputes", **invoice, status="won")).json()["data"]
    assert dispute["closed_at"] is not None
    kinds = [
        each["kind"] for each in (await api.get(f"/v1/subscriptions/{subscription['id']}/timeline")).json()["data"]
    ]
    assert {"charge_disputed", "dispute_decided"} <= set(kinds)


async def test_what_is_wrong_with_a_question(api: Api, http: httpx.AsyncClient) -> None:
    problem(await api.get("/v1/disputes/dp_nothing"), 404)
    problem(await api.get("/v1/disputes", status="opened"), 422, field="status")
    problem(await http.get("/v1/disputes"), 401)
    _, payment = await _paid(api)
    problem(await http.post(f"/simulator/disputes/{payment['id']}", params={"outcome": "lost"}), 422)
    problem(await http.post("/simulator/disputes/pay_nobody"), 404)


async def test_what_a_plan_makes_of_disputes(api: Api) -> None:
    for wanted in ("keep", "freeze", "cancel"):
        subscription, _ = await _paid(api, on_dispute=wanted)
        assert (await api.get(f"/v1/plans/{subscription['plan']}")).json()["on_dispute"] == wanted
    body = {"code": "x", "name": "X", "interval": {"unit": "month"}, "prices": {"USD": {"type": "flat", "amount": "1"}}}
    problem(await api.post("/v1/plans", body | {"on_dispute": "refund"}), 422, field="on_dispute")
