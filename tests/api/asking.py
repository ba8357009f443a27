"""A client that carries the key, and what an answer has to be."""

from typing import Any
from uuid import uuid4

import httpx

KEY = "pk_test_of_the_api_suite"


class Api:
    """Sends the key. Every refusal is checked for being a proper problem."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEY}"} | how.pop("headers", {})
        answer = await self.http.request(method, path, headers=headers, **how)
        if answer.status_code >= 400:
            problem(answer, answer.status_code)
        return answer

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.ask("GET", path, params=params or None)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        how = {} if body is None else {"json": body}
        return await self.ask("POST", path, headers=headers, **how)

    async def customer(self, token: str = "pm_card_visa", **more: Any) -> dict[str, Any]:  # noqa: S107 - a test card
        body = {"name": "Ada Lovelace", "email": f"{uuid4().hex}@example.com"} | more
        customer: dict[str, Any] = (await self.post("/v1/customers", body)).json()
        attached = await self.post(f"/v1/customers/{customer['id']}/payment-methods", {"token": token})
        assert attached.status_code == 201, attached.text
        return customer

    async def subscribe(self, customer_id: str, plan: str = "basic-monthly", **more: Any) -> dict[str, Any]:
        answer = await self.post("/v1/subscriptions", {"customer_id": customer_id, "plan": plan, **more})
        assert answer.status_code == 201, answer.text
        subscription: dict[str, Any] = answer.json()
        return subscription


def problem(answer: httpx.Response, status: int, code: str | None = None, field: str | None = None) -> dict[str, Any]:
    """The problem in an answer, which has to be one of RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"urn:perennial:problem:{found['code']}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert code in (None, found["code"]), found
    assert field is None or field in [error["field"] for error in found["errors"]], found
    return found
