"""The same POST twice is done once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from api import idempotency
from api.routes import customers as route
from perennial.db.models import (
    Coupon,
    CouponRedemption,
    CreditGrant,
    CreditNote,
    Customer,
    Gift,
    IdempotencyKey,
    Invoice,
    LedgerTransaction,
    PaymentMethod,
    PlanVersion,
    TestClock,
)
from perennial.db.models import Subscription as SubscriptionRow
from perennial.engine.context import Engine
from tests.api.asking import KEY, Api, problem


def _person() -> dict[str, Any]:
    return {"name": "Ada", "email": f"{uuid4().hex}@example.com"}


async def test_the_first_answer_is_given_again(api: Api) -> None:
    body, key = _person(), str(uuid4())
    first = await api.post("/v1/customers", body, key=key)
    again = await api.post("/v1/customers", dict(reversed(body.items())), key=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_another_body_is_409(api: Api) -> None:
    key = str(uuid4())
    await api.post("/v1/customers", _person(), key=key)
    problem(await api.post("/v1/customers", _person(), key=key), 409, "idempotency_key_reused")


async def test_a_refusal_is_an_answer_too(api: Api, customer: dict[str, Any]) -> None:
    subscription, key = await api.subscribe(customer["id"]), str(uuid4())
    path = f"/v1/subscriptions/{subscription['id']}/resume"
    refused = problem(await api.post(path, key=key), 409, "not_paused")

    await api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    again = await api.post(path, key=key)

    assert problem(again, 409) == refused
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_body_that_does_not_fit_leaves_the_key_free(api: Api) -> None:
    key = str(uuid4())
    problem(await api.post("/v1/customers", {"name": "Ada"}, key=key), 422)
    assert (await api.post("/v1/customers", _person(), key=key)).status_code == 201


async def test_keys_belong_to_a_route_and_an_api_key(api: Api) -> None:
    body, key = _person(), str(uuid4())
    first = await api.post("/v1/customers", body, key=key)
    headers = {"X-API-Key": f"{KEY}_other", "Idempotency-Key": key}
    other = await api.http.post("/v1/customers", json=body, headers=headers)
    elsewhere = await api.post(
        f"/v1/customers/{first.json()['id']}/payment-methods", {"token": "pm_card_visa"}, key=key
    )

    assert other.status_code == elsewhere.status_code == 201
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "K\u00e4se".encode("latin-1").decode("latin-1")])
async def test_a_key_that_is_none(api: Api, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    problem(await api.ask("POST", "/v1/customers", json=_person(), headers=headers), 422, field="Idempotency-Key")


async def test_a_duplicate_at_the_same_time_is_409(api: Api, engine: Engine) -> None:
    customer, key = await api.customer("pm_card_slow_700"), str(uuid4())
    body = {"customer_id": customer["id"], "plan": "team-monthly", "quantity": 2}
    answers = await asyncio.gather(*(api.post("/v1/subscriptions", body, key=key) for _ in range(5)))

    made = [answer for answer in answers if answer.status_code == 201]
    assert len(made) == 1
    for answer in answers:
        if answer not in made:
            problem(answer, 409, "request_in_progress")
            assert answer.headers["Retry-After"]
    count = select(func.count()).select_from(SubscriptionRow).where(SubscriptionRow.customer_id == customer["id"])
    assert await engine.read(lambda session: session.scalar(count)) == 1


def _forget_answers(session: Session) -> None:
    """As if every process had died before it could note its answer, longer ago than the lease."""
    past = func.now() - idempotency.LEASE - timedelta(seconds=1)
    session.execute(update(IdempotencyKey).values(status=None, body=None, created_at=past))


async def _counts(engine: Engine) -> list[int]:
    tables = (
        *(Customer, PaymentMethod, SubscriptionRow, Invoice, TestClock, PlanVersion, Coupon, Gift, CreditNote),
        *(CreditGrant, LedgerTransaction, CouponRedemption),
    )

    def count(session: Session) -> list[int]:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    return await engine.read(count)


@pytest.fixture
async def requests(api: Api, customer: dict[str, Any]) -> list[tuple[str, Any]]:
    subscription = await api.subscribe(customer["id"], plan="team-monthly", quantity=2)
    flat = {"USD": {"type": "flat", "amount": "5.00"}}
    name, scarce = uuid4().hex, f"scarce-{uuid4().hex[:8]}"
    await api.post("/v1/coupons", {"code": scarce, "percent_off": "20", "max_redemptions": 1})
    given = {"giver_id": customer["id"], "recipient_name": "C", "recipient_email": "c@example.com", "periods": 1}
    bought = [
        (await api.post("/v1/gifts", given | {"plan": "basic-monthly", "deliver_at": deliver_at})).json()
        for deliver_at in (None, "2099-01-01T00:00:00Z")
    ]
    recipient = (await api.post("/v1/customers", _person())).json()
    ending = await api.subscribe(customer["id"], plan="team-monthly")
    return [
        (f"subscriptions/{ending['id']}/cancel", {"when": "now", "refund": "full"}),
        ("gifts", given | {"plan": "basic-monthly"}),
        ("gifts/claim", {"code": bought[0]["claim_code"], "customer_id": recipient["id"]}),
        (f"gifts/{bought[1]['id']}/cancel", None),
        ("customers", _person()),
        (f"customers/{customer['id']}/payment-methods", {"token": "pm_card_visa"}),
        ("subscriptions", {"customer": _person(), "payment_method": "pm_card_visa", "plan": "basic-monthly"}),
        ("subscriptions", {"customer_id": customer["id"], "plan": "team-monthly", "quantity": 4}),
        (f"subscriptions/{subscription['id']}/change-quantity", {"quantity": 9}),
        (f"subscriptions/{subscription['id']}/skip-next", None),
        ("plans", {"code": name, "name": "P", "interval": {"unit": "week"}, "prices": flat}),
        ("coupons", {"code": name, "percent_off": "20"}),
        (f"subscriptions/{subscription['id']}/apply-coupon", {"coupon": scarce}),
        (f"customers/{customer['id']}/credits", {"amount": 5, "currency": "EUR", "reason": "again"}),
        ("test-clocks", {"name": "again", "now": "2026-01-01T00:00:00Z"}),
    ]


async def test_a_crash_before_the_answer_makes_nothing_twice(
    api: Api, engine: Engine, requests: list[tuple[str, Any]]
) -> None:
    """The request has done its work and the process is gone: the repetition finds what was made."""
    answers = []
    for path, body in requests:
        key = str(uuid4())
        answers.append((path, body, key, await api.post(f"/v1/{path}", body, key=key)))
        assert answers[-1][3].is_success, answers[-1][3].text
    before = await _counts(engine)
    await engine.write(_forget_answers)

    for path, body, key, first in answers:
        again = await api.post(f"/v1/{path}", body, key=key)
        assert again.status_code == first.status_code, again.text
        assert "Idempotent-Replayed" not in again.headers
        assert again.json().get("id", again.json().get("code")) == first.json().get("id", first.json().get("code"))
    assert await _counts(engine) == before


async def test_a_lease_holds_while_it_lasts(api: Api, engine: Engine) -> None:
    body, key = _person(), str(uuid4())
    await api.post("/v1/customers", body, key=key)
    await engine.write(lambda session: session.execute(update(IdempotencyKey).values(status=None, body=None)))

    problem(await api.post("/v1/customers", body, key=key), 409, "request_in_progress")


async def test_what_fails_on_our_side_is_not_kept(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    body, key = _person(), str(uuid4())

    def broken(*_: object, **__: object) -> Callable[[], None]:
        raise RuntimeError("a defect")

    with monkeypatch.context() as defect, capture_logs() as lines:
        defect.setattr(route.customers, "create", broken)
        found = problem(await api.post("/v1/customers", body, key=key), 500, "internal_error")
    assert "defect" not in str(found)
    assert "request_failed" in [line["event"] for line in lines]
    assert (await api.post("/v1/customers", body, key=key)).status_code == 201
