"""Support over HTTP: looking is free, acting has a reason and leaves a trace."""

from typing import Any

from tests.api.asking import Api, problem

WHY = {"reason": "ticket 4711"}


async def _made(api: Api, plan: str = "team-monthly") -> tuple[str, str]:
    customer = await api.customer()
    made = await api.subscribe(customer["id"], plan, quantity=2)
    return f"/v1/support/subscriptions/{made['id']}", made["id"]


async def _actions(api: Api, subject: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/v1/support/actions", subject=subject)).json()["data"]
    return found


async def test_a_reset_is_shown_then_done_and_written_down(api: Api) -> None:
    path, sub = await _made(api)
    steps = (await api.get(f"{path}/steps")).json()["data"]
    assert steps[0]["name"].startswith("start ")
    shown = (await api.post(f"{path}/reset", WHY | {"to": "1"})).json()
    assert shown["done"] is None
    assert "nothing is charged again" in shown["plan"]["steps"][0]["found"]
    assert await _actions(api, sub) == []
    body = WHY | {"to": steps[0]["name"], "dry_run": False}
    done = (await api.post(f"{path}/reset", body, key="reset-1" + sub)).json()
    assert done["done"]["is_caught_up"]
    assert done["done"]["status"] == "active"
    payments = await api.get("/v1/payments", subscription_id=sub)
    assert payments.status_code == 200
    [action] = await _actions(api, sub)
    assert (action["action"], action["reason"]) == ("reset", "ticket 4711")
    assert action["actor"].startswith("api:")
    assert action["outcome"].startswith("to 1 start ")
    again = await api.post(f"{path}/reset", body, key="reset-1" + sub)
    assert again.json() == done
    assert len(await _actions(api, sub)) == 1


async def test_what_cannot_be_is_refused_and_that_is_written_down_too(api: Api) -> None:
    path, sub = await _made(api)
    refused = problem(await api.post(f"{path}/reset", WHY | {"to": "the moon"}), 422, "unknown_step", "to")
    assert "1 start " in refused["detail"]
    problem(await api.post(f"{path}/reset", WHY | {"before_error": True}), 409, "nothing_fails")
    problem(await api.post(f"{path}/reset", WHY), 422, "validation_failed", "to")
    problem(await api.post(f"{path}/park", {}), 422, "validation_failed", "reason")
    problem(await api.post(f"{path}/park", {"reason": "  "}), 422, "validation_failed", "reason")
    problem(await api.post(f"{path}/unpark", WHY), 409, "not_parked")
    assert [action["outcome"] for action in await _actions(api, sub)] == [
        "refused: not_parked: the subscription is not parked"
    ]
    problem(await api.get("/v1/support/subscriptions/sub_none/steps"), 404, "not_found")
    problem(await api.post("/v1/support/subscriptions/sub_none/rebuild", WHY), 404, "not_found")
    problem(await api.post("/v1/support/sub_none/retry", WHY), 404, "not_found")


async def test_parked_and_unparked(api: Api) -> None:
    path, sub = await _made(api)
    parked = (await api.post(f"{path}/park", WHY)).json()
    assert parked["parked_since"]
    refused = problem(await api.post(f"/v1/subscriptions/{sub}/pause"), 409, "subscription_parked")
    assert refused["subject"] == sub
    [found] = [each for each in (await api.get("/v1/support/stuck")).json()["data"] if each["id"] == sub]
    assert found["remedy"] == f'perennial support unpark {sub} --reason "..."'
    assert (await api.post(f"{path}/unpark", WHY)).json()["parked_since"] is None
    told = (await api.get(f"{path}/timeline")).json()["data"]
    assert {"parked", "unparked", "support_park", "support_unpark"} <= {each["kind"] for each in told}
    assert [each["kind"] for each in told if each["when"] == "ahead"] == ["renewal"]


async def test_rebuild_retry_and_replay(api: Api) -> None:
    path, sub = await _made(api)
    assert (await api.post(f"{path}/rebuild", WHY)).json()["row"] == "right"
    assert (await api.post(f"/v1/support/{sub}/retry", WHY)).json()["did"] == "nothing is due"
    [run] = (await api.get(f"{path}/replay")).json()["data"]
    assert run["difference"] is None


async def test_the_invoices_to_come(api: Api) -> None:
    _, sub = await _made(api)
    coming = (await api.get(f"/v1/subscriptions/{sub}/upcoming-invoices", count=3)).json()
    assert [each["total"] for each in coming["invoices"]] == [2500] * 3
    body = {"changes": [{"command": "change_quantity", "quantity": 4, "when": "period_end"}], "count": 2}
    foreseen = (await api.post(f"/v1/subscriptions/{sub}/what-if", body)).json()
    assert [each["total"] for each in foreseen["invoices"]] == [5000] * 2
    preview = {"command": "change_quantity", "quantity": 4, "when": "period_end"}
    previewed = (await api.post(f"/v1/subscriptions/{sub}/preview-change", preview)).json()
    assert previewed["next_amount"] == foreseen["invoices"][0]["total"]
    assert (await api.get(f"/v1/subscriptions/{sub}")).json()["quantity"] == 2
    problem(await api.get(f"/v1/subscriptions/{sub}/upcoming-invoices", count=0), 422, "validation_failed")
