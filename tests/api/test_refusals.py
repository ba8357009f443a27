"""409 with the reason for what the state does not allow."""

from typing import Any

import pytest

from tests.api.asking import Api, problem


@pytest.fixture
async def subscription(api: Api, customer: dict[str, Any]) -> dict[str, Any]:
    return await api.subscribe(customer["id"])


async def _refused(api: Api, subscription: dict[str, Any], command: str, code: str, body: Any = None) -> dict[str, Any]:
    found = problem(await api.post(f"/v1/subscriptions/{subscription['id']}/{command}", body), 409, code)
    assert found["subject"] == subscription["id"]
    return found


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        ("resume", None, "not_paused"),
        ("change-plan", {"plan": "basic-monthly"}, "same_plan"),
        ("change-quantity", {"quantity": 1}, "same_plan"),
        ("change-plan", {"plan": "standard-monthly", "currency": "EUR"}, "currency_change"),
        ("undo-cancel", None, "not_canceling"),
        ("reactivate", None, "not_reactivatable"),
        ("extend-trial", {"until": "2030-01-01T00:00:00Z"}, "not_trialing"),
        ("retry-payment", None, "nothing_to_pay"),
    ],
)
async def test_of_an_active_one(api: Api, subscription: dict[str, Any], command: str, body: Any, code: str) -> None:
    await _refused(api, subscription, command, code, body)
    preview = {"command": command.replace("-", "_")} | (body or {})
    if command not in ("retry-payment", "undo-cancel"):
        problem(await api.post(f"/v1/subscriptions/{subscription['id']}/preview-change", preview), 409, code)


async def test_of_a_canceled_one(api: Api, subscription: dict[str, Any]) -> None:
    canceled = await api.post(f"/v1/subscriptions/{subscription['id']}/cancel", {"when": "now"})
    assert canceled.json()["status"] == "canceled"

    found = await _refused(api, subscription, "pause", "subscription_ended")
    assert "canceled" in found["detail"]
    for command in ("resume", "cancel", "skip-next"):
        await _refused(api, subscription, command, "subscription_ended")


async def test_of_a_paused_one(api: Api, subscription: dict[str, Any]) -> None:
    await api.post(f"/v1/subscriptions/{subscription['id']}/pause")

    await _refused(api, subscription, "pause", "already_paused")
    await _refused(api, subscription, "change-plan", "already_paused", {"plan": "standard-monthly"})


async def test_of_one_that_is_about_to_end(api: Api, subscription: dict[str, Any]) -> None:
    ending = (await api.post(f"/v1/subscriptions/{subscription['id']}/cancel")).json()
    assert ending["cancel_at"] == subscription["period_end"]

    await _refused(api, subscription, "cancel", "already_canceling")
    await _refused(api, subscription, "pause", "cancellation_pending")


async def test_a_value_that_the_workflow_refuses_is_422(api: Api, subscription: dict[str, Any]) -> None:
    answer = await api.post(f"/v1/subscriptions/{subscription['id']}/pause", {"until": "2020-01-01T00:00:00Z"})

    problem(answer, 422, "invalid_instant")


@pytest.mark.parametrize(
    ("command", "body", "field"),
    [
        ("payment-method", {"payment_method_id": "pm_of_somebody_else"}, "payment_method_id"),
        ("change-plan", {"plan": "only-euro"}, "currency"),
    ],
)
async def test_a_value_that_does_not_fit(
    api: Api, subscription: dict[str, Any], command: str, body: Any, field: str
) -> None:
    prices = {"EUR": {"type": "flat", "amount": "5.00"}}
    plan = {"code": "only-euro", "name": "Euro", "interval": {"unit": "month"}, "prices": prices}
    assert (await api.post("/v1/plans", plan)).status_code == 201

    problem(await api.post(f"/v1/subscriptions/{subscription['id']}/{command}", body), 422, field=field)


async def test_an_archived_plan_takes_nobody(api: Api, customer: dict[str, Any]) -> None:
    prices = {"USD": {"type": "flat", "amount": "5.00"}}
    plan = {"code": "old-plan", "name": "Old", "interval": {"unit": "month"}, "prices": prices}
    await api.post("/v1/plans", plan)
    archived = (await api.post("/v1/plans/old-plan/archive")).json()
    assert archived["archived_at"]

    answer = await api.post("/v1/subscriptions", {"customer_id": customer["id"], "plan": "old-plan"})
    problem(answer, 409, "plan_archived")
