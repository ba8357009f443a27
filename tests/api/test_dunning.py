"""Dunning policies over HTTP, and what the card networks do not allow."""

from typing import Any
from uuid import uuid4

from tests.api.asking import Api, problem

DEAD = "pm_card_declines_charges_2_to_99"


def a_policy(**more: Any) -> dict[str, Any]:
    return {"code": f"policy-{uuid4().hex[:8]}", "retry_offsets_days": [2, 5], "final_action": "pause", **more}


async def test_versions_are_made_and_looked_at(api: Api) -> None:
    body = a_policy(notices=[{"message": "payment_failed", "channels": [], "from_step": 1}], retry_hour=9)
    made = await api.post("/v1/dunning-policies", body)
    assert made.status_code == 201, made.text
    first = made.json()
    assert (first["version"], first["retry_offsets_days"], first["final_action"]) == (1, [2, 5], "pause")
    assert (first["grace_days"], first["notices"]) == (14, body["notices"])
    # What equals the newest version is that version; `keep` is another word for `skip`.
    assert (await api.post("/v1/dunning-policies", body)).json() == first
    second = (await api.post("/v1/dunning-policies", body | {"final_action": "keep"})).json()
    assert (second["version"], second["final_action"]) == (2, "skip")
    path = f"/v1/dunning-policies/{body['code']}"
    assert (await api.get(path)).json() == second
    assert (await api.get(path, version=1)).json() == first
    listed = (await api.get("/v1/dunning-policies", code=body["code"], limit=1)).json()
    rest = (await api.get("/v1/dunning-policies", code=body["code"], cursor=listed["next_cursor"])).json()
    assert listed["data"] + rest["data"] == [second, first]


async def test_what_is_no_policy(api: Api) -> None:
    path = "/v1/dunning-policies"
    problem(await api.post(path, a_policy(retry_offsets_days=[5, 2])), 422, field="retry_offsets_days")
    sms = [{"message": "payment_failed", "channels": ["sms"]}]
    told = problem(await api.post(path, a_policy(notices=sms)), 422, "invalid_policy", field="notices")
    assert told["detail"] == "no channel is called 'sms'; there is email"
    twice = [{"message": "payment_failed", "channels": ["email", "email"]}]
    problem(await api.post(path, a_policy(notices=twice)), 422, field="notices")
    problem(await api.post(path, a_policy(notices=sms[:1] * 2)), 422, field="notices")
    problem(await api.post(path, a_policy(final_action="nothing")), 422, field="final_action")
    problem(await api.get(f"{path}/nothing"), 404, "not_found")
    problem(await api.post(f"{path}/nothing/assign", {"group": "g"}), 404, "not_found")
    problem(await api.post(f"{path}/nothing/apply"), 404, "not_found")


async def test_a_group_has_a_policy_until_it_is_taken_away(api: Api) -> None:
    one, other, group = a_policy(), a_policy(), f"g-{uuid4().hex[:6]}"
    for body in (one, other):
        await api.post("/v1/dunning-policies", body)
    given = await api.post(f"/v1/dunning-policies/{one['code']}/assign", {"group": group}, key=group)
    assert given.json()["groups"] == [group]
    await api.post(f"/v1/dunning-policies/{other['code']}/assign", {"group": group})
    assert (await api.get(f"/v1/dunning-policies/{one['code']}")).json()["groups"] == []
    # It has another one by now, which it keeps.
    await api.post(f"/v1/dunning-policies/{one['code']}/unassign", {"group": group})
    assert (await api.get(f"/v1/dunning-policies/{other['code']}")).json()["groups"] == [group]
    gone = await api.post(f"/v1/dunning-policies/{other['code']}/unassign", {"group": group})
    assert gone.json()["groups"] == []


async def test_a_case_from_its_policy_to_another_one(api: Api, clock: str) -> None:
    """The plan names a policy; the case goes by it, then by the version that is applied, then by one of its own."""
    body = a_policy()
    await api.post("/v1/dunning-policies", body)
    plan = {
        "code": f"dunned-{uuid4().hex[:8]}",
        "name": "Dunned",
        "interval": {"unit": "month"},
        "prices": {"USD": {"type": "flat", "amount": "10.00"}},
        "dunning_policy": body["code"],
    }
    made = (await api.post("/v1/plans", plan)).json()
    assert (made["dunning"]["code"], made["dunning"]["version"], made["version"]) == (body["code"], 1, 1)
    assert (await api.post("/v1/plans", plan)).json()["version"] == 1
    problem(await api.post("/v1/plans", plan | {"dunning_policy": "nothing"}), 422, field="dunning_policy")
    problem(await api.post("/v1/plans", plan | {"dunning": {}}), 422, field="dunning_policy")
    customer = await api.customer(DEAD, customer_group="vip")
    assert customer["customer_group"] == "vip"
    sub = (await api.subscribe(customer["id"], plan=plan["code"], test_clock_id=clock))["id"]
    await api.post(f"/v1/test-clocks/{clock}/advance", {"to": "2026-02-28T12:00:00Z"})
    told = (await api.get(f"/v1/subscriptions/{sub}")).json()
    assert (told["status"], told["dunning_policy"]) == ("past_due", f"{body['code']}@1")
    await api.post("/v1/dunning-policies", body | {"retry_offsets_days": [8]})
    path = f"/v1/dunning-policies/{body['code']}/apply"
    done = (await api.post(path, {}, key=uuid4().hex)).json()
    assert done == {"policy": f"{body['code']}@2", "applied": [sub], "refused": [], "waiting": [], "next": None}
    assert (await api.post(path)).json()["applied"] == []
    own = f"/v1/subscriptions/{sub}/dunning-policy"
    back = (await api.post(own, {"code": body["code"], "version": 1, "case_only": True})).json()
    assert back["dunning_policy"] == f"{body['code']}@1"
    assert (await api.post(own, {"policy": {"retry_offsets_days": [9]}})).json()["dunning_policy"] is None
    assert (await api.post(own, {})).json()["dunning_policy"] == f"{body['code']}@1"
    problem(await api.post(own, {"case_only": True}), 422, field="case_only")
    problem(await api.post(own, {"version": 1}), 422, field="version")
    problem(await api.post(own, {"code": "nothing"}), 404)


async def test_a_retry_too_many_is_a_problem_with_a_date(api: Api, clock: str) -> None:
    customer = await api.customer(f"pm_card_mastercardInsufficientFunds:{uuid4().hex[:8]}")
    sub = (await api.subscribe(customer["id"], test_clock_id=clock))["id"]
    for _ in range(9):
        assert (await api.post(f"/v1/subscriptions/{sub}/retry-payment")).status_code == 200
    refused = problem(await api.post(f"/v1/subscriptions/{sub}/retry-payment"), 409, "network_budget_exceeded")
    assert (refused["subject"], refused["again_at"]) == (sub, "2026-02-01T10:00:01+00:00")
    (invoice,) = (await api.get("/v1/invoices", subscription_id=sub)).json()["data"]
    problem(await api.post(f"/v1/invoices/{invoice['id']}/pay"), 409, "network_budget_exceeded")


async def test_a_barred_card_is_a_problem_without_one(api: Api, clock: str) -> None:
    customer = await api.customer(f"pm_card_networkResponse43:{uuid4().hex[:8]}")
    sub = (await api.subscribe(customer["id"], test_clock_id=clock))["id"]
    refused = problem(await api.post(f"/v1/subscriptions/{sub}/retry-payment"), 409, "network_never_retry")
    assert "again_at" not in refused
