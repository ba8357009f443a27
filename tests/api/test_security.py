"""Who may speak, and what must never come in or go out."""

import logging
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from api import cards
from tests.api.asking import KEY, Api, problem

CARD = "4242 4242 4242 4242"


def _protected(app: FastAPI) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if path.startswith("/v1/") and not path.startswith("/v1/webhooks/")
    ]


async def test_without_a_key_nothing_is_answered(app: FastAPI, http: httpx.AsyncClient) -> None:
    operations = _protected(app)
    assert len(operations) > 40
    for method, path in operations:
        answer = await http.request(method, path, json={"card": CARD})
        found = problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer"), (method, path)
        assert "errors" not in found


EVERY_SCHEME = (
    "2200770239097761",
    "2223003122003222",
    "30569309025904",
    "3530111333300000",
    "6200000000000005",
    "6799990100000000019",
    "8171999927660000",
    "9792030394440796",
    "4222222222222",
)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": "Bearer "},
        {"X-API-Key": ""},
        {"X-API-Key": "w\u00f6rong".encode("latin-1").decode("latin-1")},
        {"Authorization": "Bearer wrong", "X-API-Key": KEY},
    ],
)
async def test_a_wrong_key_is_none(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    problem(await http.get("/v1/customers", headers=encoded), 401)


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}, {"X-API-Key": KEY}]
)
async def test_a_key_may_come_in_two_ways(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await http.get("/v1/customers", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json"])
async def test_open_to_all(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": CARD, "email": "ada@example.com"}, "name"),
        ({"name": "Ada", "email": "4242424242424242@example.com"}, "email"),
        ({"name": "Ada", "email": "a@b.c", "card": {"number": "4000-0566-5566-5556"}}, "card.number"),
        ({"name": "Ada", "email": "a@b.c", "card": 5555555555554444}, "card"),
        ({"name": "Ada", "email": "a@b.c", "cards": ["x", "378282246310005"]}, "cards[1]"),
        ({"name": "my card 6011 1111 1111 1117 12/34", "email": "a@b.c"}, "name"),
        ({"name": "\uff14\uff12\uff14\uff12 4242 4242 4242", "email": "a@b.c"}, "name"),
        ({"4242424242424242": "x"}, "body"),
        ([[["4242424242424242"]]], "[0][0][0]"),
    ],
)
async def test_card_numbers_are_refused(api: Api, body: Any, field: str) -> None:
    answer = await api.post("/v1/customers", body)

    problem(answer, 422, "card_number_refused", field)
    digits = "".join(character for character in answer.text if character.isdigit())
    assert "42424242" not in digits
    assert "5555" not in digits


async def test_card_numbers_are_refused_in_tokens_and_broken_bodies(api: Api, http: httpx.AsyncClient) -> None:
    method = await api.post("/v1/customers/cus_any/payment-methods", {"token": "pm_4242424242424242"})
    problem(method, 422, "card_number_refused", "token")
    broken = await http.post("/v1/customers", content=b'{"card": "\\u0034242424242424242', headers={"X-API-Key": KEY})
    assert broken.status_code == 422


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424241",  # wrong check digit
        "2026-01-31T10:00:00Z",
        "sub_42424242424242424242",
        "pay_4242424242424242abcdef01",
        "123e4567-e89b-12d3-a456-426614174000",
        "+43 660 1234567",
        "pm_card_declines_charges_1_to_3",
        "K7PM-2QXA-9RTD",
        "1000000000000",
        "BE71 0961 2345 6769",  # the digits of an account number
        "NO9386011117947",
        "1700000000004",  # milliseconds, with a check digit by chance
        "1732180000000000009",  # nanoseconds
        "0000000000000000",
    ],
)
def test_what_is_no_card_number(text: str) -> None:
    assert not cards.has_card_number(text)


@pytest.mark.parametrize("number", EVERY_SCHEME)
def test_every_scheme_is_known(number: str) -> None:
    assert cards.has_card_number(f"card {number}.")


async def test_logs_hold_neither_bodies_nor_keys(api: Api) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await api.post("/v1/customers", {"name": "Secret Name", "email": "secret@example.com"})
        await api.get("/v1/customers", email="secret@example.com")
        await api.get("/v1/customers/4242424242424242")
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in requests] == [201, 200, 404]
    assert [line["path"] for line in requests] == ["/v1/customers", "/v1/customers", "[card number]"]
    assert all(line["request_id"] and line["ms"] >= 0 for line in requests)
    text = str(lines)
    assert "ecret" not in text
    assert KEY not in text


async def test_the_standard_log_holds_no_secrets(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await api.customer(token="pm_card_mastercard:secret", name="Secret Name")
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore"))
    assert "ecret" not in ours


async def test_a_request_has_a_name(http: httpx.AsyncClient) -> None:
    named = await http.get("/healthz", headers={"X-Request-Id": "order-17"})
    assert named.headers["x-request-id"] == "order-17"
    for unfit in ("", "a b", "x" * 200, "4242424242424242"):
        answer = await http.get("/healthz", headers={"X-Request-Id": unfit})
        assert answer.headers["x-request-id"] not in ("", unfit)


async def test_unknown_paths_and_methods_are_problems(http: httpx.AsyncClient) -> None:
    problem(await http.get("/v2/customers"), 404, "not_found")
    answer = await http.put("/v1/customers")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    one = await http.post("/v1/customers/cus_any")
    problem(one, 405, "method_not_allowed")
    assert one.headers["allow"] == "GET, PATCH"
