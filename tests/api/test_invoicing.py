"""One-off invoices over HTTP: drafts, finalising, collecting, taking back; and the commands on any issued invoice."""

import asyncio
from typing import Any

import pytest

from perennial.engine import gifts
from tests.api.asking import Api, problem
from tests.support.stage import eventually

WORKSHOP = {"description": "Workshop", "quantity": "1.5", "unit_price": "200.00"}
YEAR = {
    "description": "Support for a year",
    "amount": 120_000,
    "period": {"start": "2026-02-01T00:00:00Z", "end": "2027-02-01T00:00:00Z"},
}


async def drafted(api: Api, customer: dict[str, Any], *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"customer_id": customer["id"], "currency": "USD", "lines": list(lines or (WORKSHOP,))} | more
    answer = await api.post("/v1/invoices", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def finalised(api: Api, draft: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(f"/v1/invoices/{draft['id']}/finalize")
    assert answer.status_code == 200, answer.text
    invoice: dict[str, Any] = answer.json()
    return invoice


async def sent(api: Api, **more: Any) -> dict[str, Any]:
    """An open one-off invoice of a customer without a card."""
    customer = (await api.post("/v1/customers", {"name": "Ada", "email": "ada@example.com"})).json()
    return await finalised(api, await drafted(api, customer, collect="send", net_days=14, **more))


async def test_a_draft_becomes_an_invoice_under_its_own_id(api: Api, customer: dict[str, Any]) -> None:
    draft = await drafted(api, customer, memo="Thank you!")
    assert (draft["status"], draft["number"], draft["issued_at"]) == ("draft", None, None)
    assert (draft["total"], draft["amount_due"], draft["draft"]["collect"]) == (30_000, 30_000, "charge")
    changed = await api.ask("PATCH", f"/v1/invoices/{draft['id']}", json={"lines": [WORKSHOP, YEAR], "memo": None})
    assert (changed.json()["total"], changed.json()["memo"]) == (150_000, None)
    listed = (await api.get("/v1/invoices", customer_id=customer["id"], status="draft")).json()["data"]
    assert [each["id"] for each in listed] == [draft["id"]]

    invoice = await finalised(api, draft)

    assert (invoice["id"], invoice["status"], invoice["draft"]) == (draft["id"], "paid", None)
    assert invoice["number"].startswith("INV-")
    assert (invoice["net"], invoice["tax"], invoice["total"], invoice["reason"]) == (150_000, 0, 150_000, "one_off")
    first, second = invoice["lines"]
    assert (first["kind"], first["quantity"], first["unit_price"]) == ("one_off", "1.5", "200.00")
    assert (second["amount"], second["unit_price"], second["period_end"]) == (120_000, None, "2027-02-01T00:00:00Z")
    assert (await api.get(f"/v1/invoices/{draft['id']}")).json() == invoice
    assert (await api.get("/v1/invoices", customer_id=customer["id"], status="draft")).json()["data"] == []
    [payment] = (await api.get("/v1/payments", invoice_id=draft["id"])).json()["data"]
    assert (payment["status"], payment["trigger"], payment["n"]) == ("succeeded", "automatic", 1)
    for what in (api.ask("PATCH", f"/v1/invoices/{draft['id']}", json={"memo": "x"}),):
        problem(await what, 409, "invoice_final")
    problem(await api.ask("DELETE", f"/v1/invoices/{draft['id']}"), 409, "invoice_final")


async def test_finalising_twice_at_once_makes_one_invoice(api: Api, customer: dict[str, Any]) -> None:
    draft = await drafted(api, customer)
    answers = await asyncio.gather(*(api.post(f"/v1/invoices/{draft['id']}/finalize") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert {(answer.json()["number"], answer.json()["status"]) for answer in answers} == {
        (answers[0].json()["number"], "paid")
    }
    payments = (await api.get("/v1/payments", invoice_id=draft["id"])).json()["data"]
    assert [payment["status"] for payment in payments] == ["succeeded"]
    again = await api.post(f"/v1/invoices/{draft['id']}/finalize")
    assert again.json() == (await api.get(f"/v1/invoices/{draft['id']}")).json()


async def test_a_deleted_draft_is_gone(api: Api, customer: dict[str, Any]) -> None:
    draft = await drafted(api, customer)
    assert (await api.ask("DELETE", f"/v1/invoices/{draft['id']}")).status_code == 204
    problem(await api.get(f"/v1/invoices/{draft['id']}"), 404)
    problem(await api.post(f"/v1/invoices/{draft['id']}/finalize"), 404)
    problem(await api.ask("DELETE", f"/v1/invoices/{draft['id']}"), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"lines": [{"description": "x"}]}, "lines[0].unit_price"),
        ({"lines": [{"description": "x", "amount": 5, "unit_price": "1"}]}, "lines[0].unit_price"),
        ({"lines": [{"description": "x", "amount": -5}]}, "lines[0].amount"),
        ({"lines": [{"description": "x", "unit_price": "-1"}]}, "lines[0].unit_price"),
        ({"lines": [{"description": "x", "unit_price": "1", "quantity": "0"}]}, "lines[0].quantity"),
        ({"lines": [{"description": "x", "unit_price": "1", "quantity": "1e9"}]}, "lines[0].quantity"),
        ({"lines": [{"description": "x", "unit_price": "999999999", "quantity": "999999999"}]}, "lines"),
        ({"lines": [{**YEAR, "period": {"start": "2027-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}}]}, ""),
        ({"collect": "charge", "net_days": 5}, "net_days"),
        ({"payment_method_id": "pm_of_somebody_else"}, "payment_method_id"),
        ({"currency": "EURO"}, "currency"),
    ],
)
async def test_a_draft_that_can_never_be_right(
    api: Api, customer: dict[str, Any], body: dict[str, Any], field: str
) -> None:
    asked = {"customer_id": customer["id"], "currency": "USD"} | body
    problem(await api.post("/v1/invoices", asked), 422, field=field or "lines[0].period.end")


async def test_what_cannot_be_finalised(api: Api, customer: dict[str, Any]) -> None:
    empty = (await api.post("/v1/invoices", {"customer_id": customer["id"], "currency": "USD"})).json()
    problem(await api.post(f"/v1/invoices/{empty['id']}/finalize"), 409, "draft_empty")
    poor = (await api.post("/v1/customers", {"name": "Poor", "email": "poor@example.com"})).json()
    draft = await drafted(api, poor)
    problem(await api.post(f"/v1/invoices/{draft['id']}/finalize"), 422, field="payment_method_id")
    assert (await api.get(f"/v1/invoices/{draft['id']}")).json()["status"] == "draft"
    problem(await api.post("/v1/invoices/inv_none/finalize"), 404)
    subscription = await api.subscribe(customer["id"])
    [bill] = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    problem(await api.post(f"/v1/invoices/{bill['id']}/finalize"), 409, "invoice_final")


async def test_a_declined_charge_leaves_it_open_and_another_card_pays_it(api: Api) -> None:
    customer = await api.customer("pm_card_chargeDeclined")
    invoice = await finalised(api, await drafted(api, customer))
    assert (invoice["status"], invoice["amount_due"]) == ("open", 30_000)
    again = await api.post(f"/v1/invoices/{invoice['id']}/pay")
    assert (again.status_code, again.json()["status"]) == (200, "open")
    card = (await api.post(f"/v1/customers/{customer['id']}/payment-methods", {"token": "pm_card_visa"})).json()
    paid = await api.post(f"/v1/invoices/{invoice['id']}/pay", {"payment_method_id": card["id"]})
    assert paid.json()["status"] == "paid"
    attempts = (await api.get("/v1/payments", invoice_id=invoice["id"])).json()["data"]
    assert sorted((each["n"], each["status"]) for each in attempts) == [
        (1, "declined"),
        (2, "declined"),
        (3, "succeeded"),
    ]
    problem(await api.post(f"/v1/invoices/{invoice['id']}/pay"), 409, "invoice_paid")


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        ("void", None, "void"),
        ("mark-uncollectible", None, "uncollectible"),
        ("record-payment", {"reference": "BANK 12"}, "paid"),
    ],
)
async def test_a_sent_invoice_is_closed_once(api: Api, command: str, body: Any, status: str) -> None:
    invoice = await sent(api)
    assert (invoice["status"], invoice["due_at"] is None) == ("open", False)
    closed = await api.post(f"/v1/invoices/{invoice['id']}/{command}", body, key=f"close {invoice['id']}")
    assert (closed.status_code, closed.json()["status"]) == (200, status)
    code = "invoice_paid" if status == "paid" else "invoice_not_open"
    for other, more in (("void", None), ("mark-uncollectible", None), ("record-payment", {"reference": "x"})):
        found = problem(await api.post(f"/v1/invoices/{invoice['id']}/{other}", more), 409, code)
        assert found["subject"] == invoice["id"]
    assert "credit note" in found["detail"] or status != "paid"
    assert (await api.get(f"/v1/invoices/{invoice['id']}")).json() == closed.json()


async def test_nothing_is_done_to_a_draft_or_to_what_is_not_there(api: Api, customer: dict[str, Any]) -> None:
    draft = await drafted(api, customer)
    for command, body in (("void", None), ("pay", None), ("record-payment", {"reference": "x"}), ("credit-notes", {})):
        problem(await api.post(f"/v1/invoices/{draft['id']}/{command}", body), 409, "invoice_is_draft")
        problem(await api.post(f"/v1/invoices/inv_none/{command}", body), 404)


async def test_a_gift_is_canceled_not_voided(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gifts, "OUTCOME_TIMEOUT_SECONDS", 0.1)  # its giver has to go to the bank
    giver = await api.customer("pm_card_authenticationRequired")
    recipient = {"recipient_name": "Eve", "recipient_email": "eve@example.com"}
    gift = {"giver_id": giver["id"], "plan": "basic-monthly", "periods": 1} | recipient
    made = (await api.post("/v1/gifts", gift)).json()

    async def issued() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await api.get("/v1/invoices", gift_id=made["id"])).json()["data"]
        return found

    [invoice] = await eventually(issued)
    assert invoice["status"] == "open"
    for command in ("void", "mark-uncollectible", "pay"):
        problem(await api.post(f"/v1/invoices/{invoice['id']}/{command}"), 409, "gift_invoice")


async def test_commands_reach_the_subscription(api: Api) -> None:
    """Its status follows: what was sent and is paid outside, taken back, or charged to a card after all."""
    customer = (await api.post("/v1/customers", {"name": "Ada", "email": "ada@example.com", "net_days": 14})).json()
    subscription = await api.subscribe(customer["id"])
    [bill] = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    assert (bill["status"], bill["due_at"] is None) == ("open", False)
    problem(await api.post(f"/v1/invoices/{bill['id']}/pay"), 422, field="payment_method_id")
    card = (await api.post(f"/v1/customers/{customer['id']}/payment-methods", {"token": "pm_card_visa"})).json()
    paid = await api.post(f"/v1/invoices/{bill['id']}/pay", {"payment_method_id": card["id"]})
    assert paid.json()["status"] == "paid"
    shown = (await api.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert (shown["status"], shown["payment_method_id"]) == ("active", card["id"])
    problem(await api.post(f"/v1/invoices/{bill['id']}/void"), 409, "invoice_paid")


async def test_the_last_invoice_of_an_ended_subscription_can_still_be_closed(api: Api) -> None:
    customer = (await api.post("/v1/customers", {"name": "Ada", "email": "ada@example.com", "net_days": 14})).json()
    subscription = await api.subscribe(customer["id"])
    ended = await api.post(f"/v1/subscriptions/{subscription['id']}/cancel", {"when": "now"})
    assert ended.json()["status"] == "canceled"
    [bill] = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    written_off = await api.post(f"/v1/invoices/{bill['id']}/mark-uncollectible")
    assert (written_off.status_code, written_off.json()["status"]) == (200, "uncollectible")
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}")).json()["status"] == "canceled"
