"""The checkout page over HTTP: subscribe, pay, authenticate, add a card; what it shows, and what it never does twice."""

from typing import Any

import pytest

from perennial.engine.context import Engine
from tests.api.asking import Api
from tests.support.stage import Stage
from tests.web.shopping import Shopper

VISA, MASTERCARD = "new:pm_card_visa", "new:pm_card_mastercard"
ASKS, POOR, LOST = (
    "new:pm_card_authenticationRequired",
    "new:pm_card_chargeDeclinedInsufficientFunds",
    "new:pm_card_chargeDeclinedLostCard",
)


async def checkout(api: Api, **body: Any) -> dict[str, Any]:
    answer = await api.post("/v1/checkout-sessions", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def subscribing(api: Api, ada: dict[str, Any], plan: str = "basic-monthly", **more: Any) -> dict[str, Any]:
    return await checkout(api, mode="subscription", customer_id=ada["id"], plan=plan, **more)


async def told(api: Api, session: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/v1/checkout-sessions/{session['id']}")).json()
    return found


async def charged(stage: Stage, customer: str) -> int:
    """How often the gateway took money of a customer, by its own books."""
    rows = await stage.rows(
        "SELECT count(*) FROM simulator.payments WHERE customer_reference = :id AND status = 'succeeded'", id=customer
    )
    return int(rows[0][0])


async def test_a_new_subscription_is_shown_and_paid(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    session = await subscribing(api, ada, success_url="https://shop.example/thanks")
    page = await shopper.open(session["url"])
    assert page.status == 200
    assert "key=" not in str(page.answer.url)
    for words in ("Subscribe to Basic", "$9.00", "Then $9.00 per month, from"):
        assert words in page.text, words
    page = await shopper.send(VISA)
    assert "Thank you" in page.text
    assert "https://shop.example/thanks" in page.links
    found = await told(api, session)
    assert (found["status"], found["url"]) == ("completed", None)
    subscription = (await api.get(f"/v1/subscriptions/{found['subscription_id']}")).json()
    assert (subscription["status"], subscription["payment_method_id"]) == ("active", found["payment_method_id"])
    assert await charged(stage, ada["id"]) == 1
