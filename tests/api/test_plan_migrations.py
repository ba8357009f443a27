"""Plan migrations over HTTP: previewed, begun once, watched, canceled."""

from typing import Any
from uuid import uuid4

from tests.api.asking import Api, problem
from tests.support.stage import eventually


async def two_versions(api: Api, customer: dict[str, Any]) -> tuple[str, list[str]]:
    """A plan whose second version costs more, with two subscribers to the first, one of them paused."""
    body: dict[str, Any] = {
        "code": f"moves-{uuid4().hex[:8]}",
        "name": "Moves",
        "interval": {"unit": "month"},
        "prices": {"USD": {"type": "flat", "amount": "10.00"}},
        "proration": "none",
        "allow_multiple": True,
    }
    await api.post("/v1/plans", body)
    made = [(await api.subscribe(customer["id"], plan=body["code"]))["id"] for _ in range(2)]
    assert (await api.post(f"/v1/subscriptions/{made[1]}/pause")).status_code == 200
    await api.post("/v1/plans", body | {"prices": {"USD": {"type": "flat", "amount": "12.00"}}})
    return body["code"], made


async def test_from_the_preview_to_the_last_item(api: Api, customer: dict[str, Any]) -> None:
    plan, (moves, paused) = await two_versions(api, customer)
    preview: dict[str, Any] = (await api.post(f"/v1/plans/{plan}/migrations/preview", {"when": "now"})).json()
    assert (preview["count"], preview["to_version"], preview["from_versions"]) == (2, 2, [1])
    assert {item["subscription_id"]: (item["new_amount"], item["code"]) for item in preview["data"]} == {
        moves: (1200, None),
        paused: (None, "already_paused"),
    }
    assert preview["totals"] == [
        {
            "currency": "USD",
            "subscriptions": 2,
            "refused": 1,
            "current_amount": 1000,
            "new_amount": 1200,
            "amount_due": 0,
            "credit_issued": 0,
        }
    ]
    body = {"when": "now", "effective_at": preview["effective_at"]}
    begun = await api.post(f"/v1/plans/{plan}/migrations", body, key=plan)
    assert begun.status_code == 201, begun.text
    again = await api.post(f"/v1/plans/{plan}/migrations", body, key=plan)
    assert again.json() == begun.json()
    path = f"/v1/plan-migrations/{begun.json()['id']}"

    async def over() -> dict[str, Any] | None:
        told: dict[str, Any] = (await api.get(path)).json()
        return told if told["status"] == "completed" else None

    done = await eventually(over)
    assert {name: count for name, count in done["counts"].items() if count} == {"migrated": 1, "refused": 1}
    assert done["finished_at"]
    [refused] = (await api.get(f"{path}/items", status="refused")).json()["data"]
    assert (refused["subscription_id"], refused["code"]) == (paused, "already_paused")
    assert [each["id"] for each in (await api.get("/v1/plan-migrations", plan=plan)).json()["data"]] == [done["id"]]
    problem(await api.post(f"{path}/cancel"), 409, "conflict")
    assert (await api.get(f"/v1/subscriptions/{moves}")).json()["plan_version"] == 2


async def test_pages_hold_everybody_once(api: Api, customer: dict[str, Any]) -> None:
    plan, made = await two_versions(api, customer)
    path, body, found = f"/v1/plans/{plan}/migrations/preview?limit=1", {"when": "now"}, []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.post(path + (f"&cursor={cursor}" if cursor else ""), body)).json()
        found += [item["subscription_id"] for item in page["data"]]
        cursor = page["next_cursor"]
    assert found == sorted(made)
    begun = (await api.post(f"/v1/plans/{plan}/migrations", body)).json()
    first = (await api.get(f"/v1/plan-migrations/{begun['id']}/items", limit=1)).json()
    rest = (await api.get(f"/v1/plan-migrations/{begun['id']}/items", cursor=first["next_cursor"])).json()
    assert [item["subscription_id"] for item in first["data"] + rest["data"]] == sorted(made)


async def test_who_has_an_archived_plan_may_have_its_newest_version(api: Api, customer: dict[str, Any]) -> None:
    plan, (moves, _) = await two_versions(api, customer)
    await api.post(f"/v1/plans/{plan}/archive")
    problem(await api.post("/v1/subscriptions", {"customer_id": customer["id"], "plan": plan}), 409, "plan_archived")
    changed = await api.post(f"/v1/subscriptions/{moves}/change-plan", {"plan": plan, "when": "period_end"})
    assert changed.json()["scheduled_plan"] == plan, changed.text


async def test_what_makes_no_sense_is_refused(api: Api, customer: dict[str, Any]) -> None:
    plan, _ = await two_versions(api, customer)
    for field, body in {
        "to_version": {"to_version": 7},
        "from_versions": {"from_versions": [2]},
        "from_versions[0]": {"from_versions": [0]},
        "currency": {"currency": "usd"},
        "when": {"when": "soon"},
        "effective_at": {"effective_at": "2026-01-01T00:00:00Z"},
    }.items():
        for path in ("migrations", "migrations/preview"):
            problem(await api.post(f"/v1/plans/{plan}/{path}", body), 422, field=field)
    for path in ("plans/nope/migrations", "plans/nope/migrations/preview", "plan-migrations/mig_nope/cancel"):
        problem(await api.post(f"/v1/{path}"), 404, "not_found")
    problem(await api.get("/v1/plan-migrations/mig_nope"), 404, "not_found")
    problem(await api.get("/v1/plan-migrations/mig_nope/items"), 404, "not_found")
