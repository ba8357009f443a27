"""Roles of API keys: what each may ask for, and what the others are told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.permissions import roles_of
from perennial.engine.context import Engine
from perennial.roles import NamedKey, Role
from tests.api.asking import KEY, Api, problem

ANNA = "sk_of_anna_of_support"
CARL = "fk_of_carl_of_finance"
WHY = {"reason": "ticket 4711"}


@pytest.fixture(scope="module")
async def staff(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    keys = {"support_keys": (NamedKey("anna", ANNA),), "finance_keys": (NamedKey("carl", CARL),), "api_keys": (KEY,)}
    settings = engine.settings.model_copy(update=keys)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://staff.test", timeout=30) as client:
            yield client


def _operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/") and not path.startswith("/v1/webhooks/")
    ]


async def test_whoever_may_not_is_told_which_role_may(app: FastAPI, staff: httpx.AsyncClient) -> None:
    """Every route and both lesser roles; the answer comes before anything is looked at, and is in the document."""
    refused = 0
    for method, path, operation in _operations(app):
        allowed = roles_of(method, path)
        assert ("403" in operation["responses"]) == (set(allowed) != set(Role)), (method, path)
        for role, key in ((Role.SUPPORT, ANNA), (Role.FINANCE, CARL)):
            if role in allowed:
                continue
            answer = await staff.request(method, path, headers={"X-API-Key": key}, json={"name": 4242424242424242})
            found = problem(answer, 403, "role_required")
            assert found["needs"] == [each.value for each in allowed], (method, path)
            assert f"has the role {role}" in found["detail"]
            refused += 1
    assert refused > 60


@pytest.mark.parametrize(
    ("method", "path", "roles"),
    [
        ("GET", "/v1/customers", {Role.ADMIN, Role.SUPPORT, Role.FINANCE}),
        ("POST", "/v1/subscriptions/{subscription_id}/what-if", {Role.ADMIN, Role.SUPPORT, Role.FINANCE}),
        ("POST", "/v1/plans/{code}/migrations/preview", {Role.ADMIN, Role.SUPPORT, Role.FINANCE}),
        ("GET", "/v1/support/stuck", {Role.ADMIN, Role.SUPPORT}),
        ("POST", "/v1/support/{subject_id}/retry", {Role.ADMIN, Role.SUPPORT}),
        ("POST", "/v1/plans", {Role.ADMIN}),
        ("PATCH", "/v1/tax-rates/{rate_id}", {Role.ADMIN}),
        ("PUT", "/v1/seller", {Role.ADMIN}),
        ("PUT", "/v1/routing", {Role.ADMIN}),
        ("POST", "/v1/dunning-policies", {Role.ADMIN}),
        ("POST", "/v1/subscriptions/{subscription_id}/cancel", {Role.ADMIN}),
        ("DELETE", "/v1/invoices/{invoice_id}", {Role.ADMIN}),
    ],
)
def test_what_is_whose(app: FastAPI, method: str, path: str, roles: set[Role]) -> None:
    assert path in app.openapi()["paths"]
    assert set(roles_of(method, path)) == roles


async def test_support_acts_under_its_own_name(staff: httpx.AsyncClient) -> None:
    admin, anna, carl = Api(staff), {"X-API-Key": ANNA}, {"Authorization": f"Bearer {CARL}"}
    sub = (await admin.subscribe((await admin.customer())["id"]))["id"]
    parked = await staff.post(f"/v1/support/subscriptions/{sub}/park", json=WHY, headers=anna)
    assert parked.json()["parked_since"]
    assert (await staff.get(f"/v1/subscriptions/{sub}", headers=carl)).json()["id"] == sub
    await admin.post(f"/v1/support/subscriptions/{sub}/unpark", WHY)
    actions = (await staff.get("/v1/support/actions", params={"subject": sub}, headers=anna)).json()["data"]
    assert [action["action"] for action in actions] == ["unpark", "park"]
    assert actions[1]["actor"] == "anna"
    assert actions[0]["actor"].startswith("api:")


async def test_a_key_that_is_unknown_has_no_role(staff: httpx.AsyncClient) -> None:
    for key in (ANNA[:-1], "anna", f"anna={ANNA}", replace(NamedKey("x", CARL), key="").key):
        problem(await staff.get("/v1/customers", headers={"X-API-Key": key}), 401, "unauthorized")
