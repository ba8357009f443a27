"""The life of a subscription through the API, on a test clock."""

from typing import Any

import pytest

from perennial.domain.subscription import commands as c
from perennial.engine import runs
from perennial.engine.context import Engine
from tests.api.asking import Api, problem
from tests.support.stage import eventually


async def _command(api: Api, subscription: str, command: str, body: Any = None) -> dict[str, Any]:
    answer = await api.post(f"/v1/subscriptions/{subscription}/{command}", body)
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    assert (await api.get(f"/v1/subscriptions/{subscription}")).json() == view
    return view


async def _advance(api: Api, clock: str, by: Any) -> str:
    answer = await api.post(f"/v1/test-clocks/{clock}/advance", {"by": by})
    assert answer.status_code == 200, answer.text
    now: str = answer.json()["now"]
    return now


async def _totals(api: Api, subscription: str) -> list[int]:
    listing = (await api.get(f"/v1/subscriptions/{subscription}/invoices")).json()["data"]
    assert {invoice["status"] for invoice in listing} == {"paid"}
    return [invoice["total"] for invoice in reversed(listing)]


async def test_month_ends_are_kept(api: Api, clock: str) -> None:
    customer = await api.customer()
    first = await api.subscribe(customer["id"], test_clock_id=clock)
    assert first["period_end"] == "2026-02-28T10:00:00Z"

    assert await _advance(api, clock, "P2M") == "2026-03-31T10:00:00Z"
    later = (await api.get(f"/v1/subscriptions/{first['id']}")).json()

    assert later["period_start"] == "2026-03-31T10:00:00Z"
    assert later["period_end"] == "2026-04-30T10:00:00Z"
    assert await _totals(api, first["id"]) == [900, 900, 900]
    kinds = [entry["kind"] for entry in (await api.get(f"/v1/subscriptions/{first['id']}/timeline")).json()["data"]]
    assert kinds[0] == "created"
    assert kinds.count("invoice_issued") == 3


async def test_every_command_once(api: Api, clock: str) -> None:
    customer = await api.customer()
    id_ = (await api.subscribe(customer["id"], plan="premium-monthly", test_clock_id=clock))["id"]

    extended = await _command(api, id_, "extend-trial", {"until": "2026-03-01T10:00:00Z"})
    assert (extended["status"], extended["trial_end"]) == ("trialing", "2026-03-01T10:00:00Z")
    await api.post("/v1/coupons", {"code": "HALF-PRICE", "percent_off": "50", "duration_periods": 1})
    assert (await _command(api, id_, "apply-coupon", {"coupon": "HALF-PRICE"}))["coupons"] == ["HALF-PRICE"]
    await _advance(api, clock, {"days": 29})
    assert await _totals(api, id_) == [2450]

    paused = await _command(api, id_, "pause", {"until": "2026-03-11T10:00:00Z"})
    assert (paused["status"], paused["resume_at"]) == ("paused", "2026-03-11T10:00:00Z")
    assert (await _command(api, id_, "resume"))["status"] == "active"
    upgraded = await _command(api, id_, "change-plan", {"plan": "team-monthly", "quantity": 4, "when": "period_end"})
    assert (upgraded["scheduled_plan"], upgraded["scheduled_quantity"]) == ("team-monthly", 4)
    assert (await _command(api, id_, "change-quantity", {"quantity": 2, "proration": "none"}))["quantity"] == 2
    assert (await _command(api, id_, "gift", {"periods": 1}))["prepaid_periods"] == 1
    assert (await _command(api, id_, "cancel"))["cancel_at"]
    assert (await _command(api, id_, "undo-cancel"))["cancel_at"] is None
    assert (await _command(api, id_, "skip-next"))["skip_next"] is True
    assert (await _command(api, id_, "dunning-policy", {"policy": {"retry_hour": 9}}))["status"] == "active"
    backup = await api.post(
        f"/v1/customers/{customer['id']}/payment-methods", {"token": "pm_card_visa:2", "default": False}
    )
    place = f"/v1/customers/{customer['id']}/payment-methods/{backup.json()['id']}"
    assert (await api.ask("PATCH", place, json={"backup": True})).json()["is_backup"] is True
    assert (await api.ask("PATCH", place, json={"default": False, "backup": False})).json()["is_backup"] is False
    method = await api.post(f"/v1/customers/{customer['id']}/payment-methods", {"token": "pm_card_mastercard"})
    changed = await _command(api, id_, "payment-method", {"payment_method_id": method.json()["id"]})
    assert changed["payment_method_id"] == method.json()["id"]
    ended = await _command(api, id_, "cancel", {"when": "now", "reason": "too_expensive", "refund": "full"})
    assert (ended["status"], ended["end_reason"]) == ("canceled", "too_expensive")
    notes = (await api.get("/v1/credit-notes", subscription_id=id_)).json()["data"]
    assert sum(note["refunded"] for note in notes) > 0
    assert (await api.get(f"/v1/credit-notes/{notes[0]['id']}")).json() == notes[0]
    again = await _command(api, id_, "reactivate", {"payment_method_id": method.json()["id"]})
    assert again["status"] == "active"


async def test_a_failed_payment_is_tried_again_on_demand(api: Api, clock: str) -> None:
    customer = await api.customer("pm_card_declines_charges_2_to_2")
    id_ = (await api.subscribe(customer["id"], test_clock_id=clock))["id"]
    await _advance(api, clock, "P28D")
    overdue = (await api.get(f"/v1/subscriptions/{id_}")).json()
    assert (overdue["status"], overdue["dunning_attempt"]) == ("past_due", 1)
    assert overdue["decline_code"] == "insufficient_funds"
    assert [
        row["id"]
        for row in (
            await api.get("/v1/subscriptions", status="past_due", plan="basic-monthly", test_clock_id=clock)
        ).json()["data"]
    ] == [id_]

    assert (await _command(api, id_, "retry-payment"))["status"] == "active"
    payments = (await api.get("/v1/payments", customer_id=customer["id"])).json()["data"]
    assert sorted(payment["status"] for payment in payments) == ["declined", "succeeded", "succeeded"]
    assert (await api.get(f"/v1/payments/{payments[0]['id']}")).json() == payments[0]


PREVIEWED = [
    ("change-plan", {"plan": "standard-monthly"}),
    ("change-plan", {"plan": "standard-monthly", "proration": "day"}),
    ("change-plan", {"plan": "standard-yearly"}),
    ("cancel", {"when": "now", "refund": "prorated"}),
    ("cancel", {"when": "now", "refund": "full"}),
]


@pytest.mark.parametrize(("command", "body"), PREVIEWED)
async def test_a_preview_is_what_is_then_charged(api: Api, clock: str, command: str, body: dict[str, Any]) -> None:
    customer = await api.customer()
    id_ = (await api.subscribe(customer["id"], test_clock_id=clock))["id"]
    await _advance(api, clock, "P9DT5H31M7S")
    asked = {"command": command.replace("-", "_")} | body
    preview = (await api.post(f"/v1/subscriptions/{id_}/preview-change", asked)).json()
    assert await _totals(api, id_) == [900]

    view = await _command(api, id_, command, body)

    charged = (await _totals(api, id_))[1:]
    assert charged == ([preview["total"]] if preview["lines"] else [])
    credits_ = (await api.get("/v1/credit-notes", subscription_id=id_)).json()["data"]
    assert sum(note["total"] for note in credits_) == preview["credit_issued"]
    assert preview["total"] or preview["credit_issued"]
    assert preview["subscription"] == view
    invoices = (await api.get(f"/v1/subscriptions/{id_}/invoices")).json()["data"]
    lines = [(line["kind"], line["amount"]) for line in invoices[0]["lines"]]
    assert not preview["lines"] or lines == [(line["kind"], line["amount"]) for line in preview["lines"]]


async def test_a_preview_can_be_had_for_a_while(api: Api, clock: str) -> None:
    customer = await api.customer()
    id_ = (await api.subscribe(customer["id"], test_clock_id=clock))["id"]
    await _advance(api, clock, "P9D")
    change = {"plan": "standard-monthly"}
    asked = {"command": "change_plan"} | change
    preview = (await api.post(f"/v1/subscriptions/{id_}/preview-change", asked)).json()
    await _advance(api, clock, "PT14M")

    await _command(api, id_, "change-plan", change | {"effective_at": preview["effective_at"]})

    assert (await _totals(api, id_))[1:] == [preview["total"]]
    await _advance(api, clock, "PT2M")
    stale = change | {"plan": "basic-monthly", "effective_at": preview["effective_at"]}
    problem(await api.post(f"/v1/subscriptions/{id_}/change-plan", stale), 422, field="effective_at")


async def test_a_preview_of_a_new_one(api: Api, clock: str) -> None:
    customer = await api.customer()
    terms = {"customer_id": customer["id"], "plan": "team-monthly", "currency": "KWD", "quantity": 3}
    terms["test_clock_id"] = clock
    preview = (await api.post("/v1/subscriptions/preview", terms)).json()
    assert (preview["amount_due"], preview["currency"]) == (11550, "KWD")
    assert preview["next_invoice_at"] == "2026-02-28T10:00:00Z"
    assert (await api.get("/v1/subscriptions", customer_id=customer["id"])).json()["data"] == []

    subscription = await api.subscribe(**terms)
    assert await _totals(api, subscription["id"]) == [11550]


async def test_a_clock_moves_forward_only(api: Api, clock: str) -> None:
    problem(await api.post(f"/v1/test-clocks/{clock}/advance", {"to": "2025-01-01T00:00:00Z"}), 409, "clock_backwards")
    problem(await api.post(f"/v1/test-clocks/{clock}/advance", {"by": "P21Y"}), 422, field="by")
    problem(await api.post(f"/v1/test-clocks/{clock}/advance", {"by": {"days": 1.5}}), 422, field="by.days")
    problem(await api.post(f"/v1/test-clocks/{clock}/advance", {"by": "P"}), 422, field="by")
    problem(await api.post(f"/v1/test-clocks/{clock}/advance", {}), 422, field="to")
    problem(await api.post(f"/v1/test-clocks/{clock}/advance", {"by": "1 month"}), 422, field="by")
    moved = await api.post(f"/v1/test-clocks/{clock}/advance", {"by": {"months": 1, "hours": 2}})
    assert moved.json()["now"] == "2026-02-28T12:00:00Z"
    to = await api.post(f"/v1/test-clocks/{clock}/advance", {"to": "2026-03-01T01:00:00+01:00"})
    assert to.json()["now"] == "2026-03-01T00:00:00Z"
    assert clock in [row["id"] for row in (await api.get("/v1/test-clocks")).json()["data"]]


async def test_what_became_of_a_command_is_told_where_its_202_points_to(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the answer; it is done all the same, and asking for it later says so."""
    customer = await api.customer()
    path = f"/v1/subscriptions/{(await api.subscribe(customer['id']))['id']}"
    monkeypatch.setattr(runs, "ANSWER_TIMEOUT_SECONDS", 0.0)
    answer = await api.post(f"{path}/skip-next", key="skip-once")
    assert answer.status_code == 202
    where = answer.headers["Location"]
    assert where.startswith(f"{path}/commands/req_")
    again = await api.post(f"{path}/skip-next", key="skip-once")
    assert (again.status_code, again.headers["Location"]) == (202, where)

    async def told() -> dict[str, Any] | None:
        said: dict[str, Any] = (await api.get(where)).json()
        return said if said["status"] != "pending" else None

    assert await eventually(told) == {"request_id": where.rpartition("/")[2], "status": "done", "code": None}


async def test_a_refusal_that_nobody_waited_for_bears_the_name_of_its_request(api: Api, engine: Engine) -> None:
    customer = await api.customer()
    id_ = (await api.subscribe(customer["id"]))["id"]
    where = f"/v1/subscriptions/{id_}/commands/req_of_nobody"
    assert (await api.get(where)).json()["status"] == "pending"
    resume = c.Resume(request_id="req_of_nobody", at=engine.clock())
    await engine.temporal.get_workflow_handle(id_).signal("resume", resume)

    async def told() -> dict[str, Any] | None:
        said: dict[str, Any] = (await api.get(where)).json()
        return said if said["status"] != "pending" else None

    assert await eventually(told) == {"request_id": "req_of_nobody", "status": "refused", "code": "not_paused"}
    other = (await api.subscribe((await api.customer())["id"]))["id"]
    for unknown in (f"{id_}/commands/req_of_somebody_else", f"{other}/commands/req_of_nobody"):
        assert (await api.get(f"/v1/subscriptions/{unknown}")).json()["status"] == "pending"
    entries = (await api.get(f"/v1/subscriptions/{id_}/timeline")).json()["data"]
    [refused] = [entry for entry in entries if entry["kind"] == "refused"]
    assert refused["data"] == {"command": "Resume", "code": "not_paused", "request": "req_of_nobody"}
    problem(await api.get("/v1/subscriptions/sub_of_nobody/commands/req_of_nobody"), 404)
