"""What the API counts and logs of a request: the route's pattern, the ids, never what was asked with."""

from typing import Any
from uuid import uuid4

import httpx

from perennial.observability.metrics import REGISTRY
from tests.api.asking import Api
from tests.support.log_lines import logged


def seconds_count(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("perennial_http_request_seconds_count", labels) or 0


def keys(outcome: str) -> float:
    return REGISTRY.get_sample_value("perennial_idempotent_requests_total", {"outcome": outcome}) or 0


async def test_requests_are_counted_by_their_route_and_not_by_their_ids(api: Api, customer: dict[str, Any]) -> None:
    known, refused = (seconds_count("GET", "/v1/customers/{customer_id}", status) for status in (200, 404))
    unknown = seconds_count("GET", "unknown", 404)
    await api.get(f"/v1/customers/{customer['id']}")
    await api.get("/v1/customers/cus_nobody")
    await api.get(f"/v1/no/{uuid4()}")
    assert seconds_count("GET", "/v1/customers/{customer_id}", 200) == known + 1
    assert seconds_count("GET", "/v1/customers/{customer_id}", 404) == refused + 1
    assert seconds_count("GET", "unknown", 404) == unknown + 1


async def test_health_is_not_counted(http: httpx.AsyncClient) -> None:
    before = seconds_count("GET", "/healthz", 200)
    assert (await http.get("/healthz")).status_code == 200
    assert seconds_count("GET", "/healthz", 200) == before


async def test_idempotency_keys_are_counted_by_what_became_of_them(api: Api) -> None:
    before = {name: keys(name) for name in ("first", "replayed", "reused")}
    key = f"key-{uuid4()}"
    for name in ("Ada", "Ada", "Eve"):
        await api.post("/v1/customers", {"name": name, "email": "a@example.com"}, key=key)
    assert {name: keys(name) - count for name, count in before.items()} == {"first": 1, "replayed": 1, "reused": 1}


async def test_every_line_bears_the_request_and_its_subscription(api: Api, customer: dict[str, Any]) -> None:
    body = {"customer_id": customer["id"], "plan": "basic-monthly", "currency": "USD"}
    made = (await api.post("/v1/subscriptions", body)).json()
    with logged() as lines:
        answer = await api.ask("GET", f"/v1/subscriptions/{made['id']}?q=canary", headers={"X-Request-Id": "req-77"})
        await api.ask("GET", "/v1/customers?email=ada@example.com", headers={"X-Request-Id": "req-78"})
        first, second = (line for line in lines() if line["event"] == "request")
    assert answer.headers["x-request-id"] == "req-77"
    assert (first["request_id"], first["subscription_id"], first["status"]) == ("req-77", made["id"], 200)
    assert (second["request_id"], second["path"]) == ("req-78", "/v1/customers")
    assert "subscription_id" not in second
    assert "canary" not in str(first)
    assert "ada" not in str(second)
