"""Credit notes over HTTP: whole, in part, by line; what is left is the most; the preview is what is issued."""

import asyncio
from typing import Any

import pytest

from tests.api.asking import Api, problem

LINES = [
    {"description": "Workshop", "quantity": "2", "unit_price": "100.00"},
    {"description": "Travel", "amount": 5_000},
]


@pytest.fixture
async def invoice(api: Api, customer: dict[str, Any]) -> dict[str, Any]:
    """A paid one-off invoice over 250.00."""
    body = {"customer_id": customer["id"], "currency": "USD", "lines": LINES}
    draft = (await api.post("/v1/invoices", body)).json()
    answer = await api.post(f"/v1/invoices/{draft['id']}/finalize")
    assert answer.json()["status"] == "paid", answer.text
    found: dict[str, Any] = answer.json()
    return found


async def credited(api: Api, invoice: dict[str, Any], body: Any = None, key: str | None = None) -> dict[str, Any]:
    """Issued as previewed."""
    path = f"/v1/invoices/{invoice['id']}/credit-notes"
    preview = (await api.post(f"{path}/preview", body)).json()
    answer = await api.post(path, body, key=key)
    assert answer.status_code == 201, answer.text
    note: dict[str, Any] = answer.json()
    assert {name: note[name] for name in preview} == preview
    return note


async def balance(api: Api, customer_id: str) -> int:
    found = (await api.get(f"/v1/customers/{customer_id}/balance")).json()
    return sum(each["amount"] for each in found["currencies"])


async def test_the_whole_invoice_goes_back_the_way_it_was_paid(api: Api, invoice: dict[str, Any]) -> None:
    note = await credited(api, invoice)
    assert (note["total"], note["refunded"], note["credited"], note["reason"]) == (25_000, 25_000, 0, "requested")
    assert [(line["line_position"], line["total"]) for line in note["lines"]] == [(0, 20_000), (1, 5_000)]
    assert (await api.get(f"/v1/credit-notes/{note['id']}")).json() == note
    assert (await api.get("/v1/credit-notes", invoice_id=invoice["id"])).json()["data"] == [note]
    problem(await api.post(f"/v1/invoices/{invoice['id']}/credit-notes"), 409, "nothing_to_credit")
    problem(await api.post(f"/v1/invoices/{invoice['id']}/credit-notes/preview"), 409, "nothing_to_credit")


async def test_a_part_to_the_balance_and_the_rest_of_a_line(
    api: Api, customer: dict[str, Any], invoice: dict[str, Any]
) -> None:
    first = await credited(api, invoice, {"amount": 1_000, "refund": "to_balance", "memo": "Sorry."})
    assert (first["credited"], first["refunded"], first["memo"]) == (1_000, 0, "Sorry.")
    assert [line["total"] for line in first["lines"]] == [800, 200]
    assert await balance(api, customer["id"]) == 1_000
    second = await credited(api, invoice, {"lines": [{"position": 1}]})
    assert [(line["description"], line["total"]) for line in second["lines"]] == [("Travel", 4_800)]
    rest = await credited(api, invoice)
    assert rest["total"] == 19_200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": 25_001}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": 5, "lines": [{"position": 0}]}, "amount"),
        ({"lines": [{"position": 1, "amount": 5_001}]}, "lines[0].amount"),
        ({"lines": [{"position": 0}, {"position": 7}]}, "lines[1].position"),
        ({"lines": [{"position": 0, "amount": 5}, {"position": 0}]}, "lines[1].position"),
        ({"reason": "because"}, "reason"),
    ],
)
async def test_more_than_there_is_is_refused(api: Api, invoice: dict[str, Any], body: Any, field: str) -> None:
    for path in ("credit-notes", "credit-notes/preview"):
        problem(await api.post(f"/v1/invoices/{invoice['id']}/{path}", body), 422, field=field)
    assert (await api.get("/v1/credit-notes", invoice_id=invoice["id"])).json()["data"] == []


async def test_what_is_left_is_said(api: Api, invoice: dict[str, Any]) -> None:
    await credited(api, invoice, {"amount": 24_000})
    found = problem(await api.post(f"/v1/invoices/{invoice['id']}/credit-notes", {"amount": 1_001}), 422)
    assert "at most 1000 minor units" in found["detail"]


async def test_only_a_paid_invoice_is_credited(api: Api) -> None:
    customer = (await api.post("/v1/customers", {"name": "Ada", "email": "ada@example.com"})).json()
    body = {"customer_id": customer["id"], "currency": "USD", "lines": LINES, "collect": "send"}
    draft = (await api.post("/v1/invoices", body)).json()
    await api.post(f"/v1/invoices/{draft['id']}/finalize")
    found = problem(await api.post(f"/v1/invoices/{draft['id']}/credit-notes"), 409, "invoice_not_paid")
    assert "void" in found["detail"]


async def test_what_was_paid_outside_goes_to_the_balance(api: Api) -> None:
    customer = (await api.post("/v1/customers", {"name": "Ada", "email": "ada@example.com"})).json()
    body = {"customer_id": customer["id"], "currency": "USD", "lines": LINES, "collect": "send"}
    draft = (await api.post("/v1/invoices", body)).json()
    await api.post(f"/v1/invoices/{draft['id']}/finalize")
    await api.post(f"/v1/invoices/{draft['id']}/record-payment", {"reference": "BANK 1"})
    note = await credited(api, draft, {"amount": 7_000, "refund": "to_method"})
    assert (note["refunded"], note["credited"]) == (0, 7_000)
    assert await balance(api, customer["id"]) == 7_000


async def test_many_at_once_never_give_back_more_than_was_paid(api: Api, invoice: dict[str, Any]) -> None:
    """Nine tries of a fifth: each is given at most what the others have left."""
    path = f"/v1/invoices/{invoice['id']}/credit-notes"
    answers = await asyncio.gather(*(api.post(path, {"amount": 5_000}) for _ in range(9)))
    assert {answer.status_code for answer in answers} <= {201, 409, 422}
    notes = (await api.get("/v1/credit-notes", invoice_id=invoice["id"])).json()["data"]
    assert sum(note["total"] for note in notes) == 25_000
    assert sum(note["refunded"] for note in notes) == 25_000


async def test_a_repeated_request_is_one_credit_note(api: Api, invoice: dict[str, Any]) -> None:
    path, body = f"/v1/invoices/{invoice['id']}/credit-notes", {"amount": 100}
    first, again = await api.post(path, body, key="credit once"), await api.post(path, body, key="credit once")
    assert first.json() == again.json()
    assert len((await api.get("/v1/credit-notes", invoice_id=invoice["id"])).json()["data"]) == 1


async def test_of_a_subscription_and_after_its_end(api: Api, customer: dict[str, Any]) -> None:
    subscription = await api.subscribe(customer["id"], plan="standard-monthly")
    [bill] = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    first = await credited(api, bill, {"amount": 900, "refund": "to_balance", "reason": "goodwill"})
    assert (first["subscription_id"], first["total"]) == (subscription["id"], 900)
    await api.post(f"/v1/subscriptions/{subscription['id']}/cancel", {"when": "now"})
    second = await credited(api, bill)
    assert (second["total"], second["refunded"]) == (1_000, 1_000)
    shown = (await api.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert shown["status"] == "canceled"


async def test_of_a_gift(api: Api, customer: dict[str, Any]) -> None:
    gift = {"giver_id": customer["id"], "plan": "standard-monthly", "periods": 2}
    made = (await api.post("/v1/gifts", gift | {"recipient_name": "Eve", "recipient_email": "e@example.com"})).json()
    [bill] = (await api.get("/v1/invoices", gift_id=made["id"])).json()["data"]
    note = await credited(api, bill, {"amount": 800})
    assert (note["total"], note["refunded"], note["subscription_id"]) == (800, 800, None)
    await api.post(f"/v1/gifts/{made['id']}/cancel")
    notes = (await api.get("/v1/credit-notes", invoice_id=bill["id"])).json()["data"]
    assert sum(each["total"] for each in notes) == bill["total"]
