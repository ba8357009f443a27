"""The checkout page over HTTP: subscribe and authenticate; what it shows, and what it never does twice."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from tests.api.asking import Api
from tests.support.stage import Stage
from tests.web.shopping import Shopper

VISA, MASTERCARD = "new:pm_card_visa", "new:pm_card_mastercard"
ASKS, POOR, LOST = (
    "new:pm_card_authenticationRequired",
    "new:pm_card_chargeDeclinedInsufficientFunds",
    "new:pm_card_chargeDeclinedLostCard",
)

_MONTH = Interval(IntervalUnit.MONTH)
_HALF = Decimal(50)


def _flat(amount: str) -> dict[str, str]:
    return {"type": "flat", "amount": amount}


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


async def test_who_is_asked_by_the_bank_comes_back_and_has_paid(
    api: Api, shopper: Shopper, stage: Stage, ada: Any
) -> None:
    """Without any webhook: coming back makes the workflow ask the gateway."""
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    page = await shopper.send(ASKS)
    assert "Please confirm with your bank" in page.text
    assert await charged(stage, ada["id"]) == 0
    page = await shopper.go_to_bank()
    assert "/simulator/authenticate/" in str(page.answer.url)
    page = await shopper.answer_bank()
    assert "Thank you" in page.text
    assert (await told(api, session))["status"] == "completed"
    assert await charged(stage, ada["id"]) == 1


async def test_who_refuses_at_the_bank_may_pay_with_another_card(
    api: Api, shopper: Shopper, stage: Stage, ada: Any
) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    await shopper.send(ASKS)
    await shopper.go_to_bank()
    page = await shopper.answer_bank("fail")
    assert "The payment was not confirmed with your bank." in page.text
    page = await shopper.send(VISA)
    assert "Thank you" in page.text
    assert await charged(stage, ada["id"]) == 1


async def test_another_card_is_chosen_while_the_bank_waits(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    """The first attempt is withdrawn at the gateway: its bank's answer comes to nothing."""
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    await shopper.send(ASKS)
    at_bank = await shopper.go_to_bank()
    await shopper.open(session["url"])
    assert "Thank you" in (await shopper.send(MASTERCARD)).text
    late = await shopper.browser.post(at_bank.actions[0], follow_redirects=True)
    assert "Thank you" in late.text
    assert await charged(stage, ada["id"]) == 1


@pytest.mark.parametrize(
    ("card", "reason"),
    [(POOR, "There was not enough money on the account."), (LOST, "Your bank declined the payment.")],
)
async def test_who_is_declined_is_told_as_much_as_may_be_told(
    card: str, reason: str, api: Api, shopper: Shopper, stage: Stage, ada: Any
) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    page = await shopper.send(card)
    assert reason in page.text
    assert "lost" not in page.text.replace("declined: lost card", "")
    assert (await told(api, session))["status"] == "open"
    assert "Thank you" in (await shopper.send(VISA)).text
    assert await charged(stage, ada["id"]) == 1


async def test_a_form_that_is_sent_twice_is_one_try(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    session = await subscribing(api, ada)
    first = await shopper.open(session["url"])
    form = first.fields | {"method": VISA}
    answers = [await shopper.browser.post(first.actions[0], data=form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert "Thank you" in (await shopper.open(session["url"])).text
    methods = (await api.get(f"/v1/customers/{ada['id']}/payment-methods")).json()["data"]
    assert len(methods) == 1
    assert await charged(stage, ada["id"]) == 1


async def test_a_trial_begins_without_a_charge(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    session = await subscribing(api, ada, plan="standard-monthly", trial_days=14)
    page = await shopper.open(session["url"])
    assert "Free until" in page.text
    assert "Start free trial" in page.text
    page = await shopper.send(VISA)
    assert "Your free trial of Standard has begun." in page.text
    assert await charged(stage, ada["id"]) == 0


async def test_what_costs_nothing_needs_no_payment_method(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    free = await stage.plan("free", interval=_MONTH, prices={"USD": {"type": "flat", "amount": "0"}})
    page = await shopper.open((await subscribing(api, ada, plan=free))["url"])
    assert page.methods == []
    assert "has begun" in (await shopper.send()).text


async def test_coupons_and_quantities_are_in_the_sum(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    half = await stage.coupon(percent_off=_HALF, duration_periods=1)
    session = await subscribing(api, ada, coupons=[half])
    page = await shopper.open(session["url"])
    assert "Pay $4.50" in page.text
    assert half in page.text
    assert "Then $9.00 per month" in page.text
    await shopper.send(VISA)
    [invoice] = (await api.get("/v1/invoices", customer_id=ada["id"])).json()["data"]
    assert invoice["amount_due"] == 450


async def test_a_price_that_has_changed_is_shown_again_before_anything_is_charged(
    api: Api, shopper: Shopper, stage: Stage, ada: Any
) -> None:
    plan = await stage.plan("dear", interval=_MONTH, prices={"USD": {"type": "flat", "amount": "10.00"}})
    session = await subscribing(api, ada, plan=plan)
    await shopper.open(session["url"])
    dearer = {"code": plan, "name": plan, "interval": {"unit": "month"}, "prices": {"USD": _flat("12.00")}}
    assert (await api.post("/v1/plans", dearer)).status_code == 201
    page = await shopper.send(VISA)
    assert "The price has changed" in page.text
    assert "Pay $12.00" in page.text
    assert await charged(stage, ada["id"]) == 0
    assert "Thank you" in (await shopper.send(VISA)).text


async def test_who_has_the_plan_by_now_is_told(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    await api.post(f"/v1/customers/{ada['id']}/payment-methods", {"token": "pm_card_visa"})
    await api.subscribe(ada["id"])
    page = await shopper.send(MASTERCARD)
    assert "You have this plan already." in page.text
    assert await charged(stage, ada["id"]) == 1


async def test_the_page_speaks_the_customers_language(api: Api, shopper: Shopper, ada: Any) -> None:
    await api.ask("PATCH", f"/v1/customers/{ada['id']}", json={"locale": "de-AT"})
    session = await subscribing(api, ada, currency="EUR")
    page = await shopper.open(session["url"])
    assert '<html lang="de">' in page.text
    assert "Danach" in page.text


async def test_names_are_not_markup(api: Api, shopper: Shopper, stage: Stage, ada: Any) -> None:
    evil = "<script>alert(1)</script>"
    plan = f"evil-{uuid4().hex[:8]}"
    body = {"code": plan, "name": evil, "interval": {"unit": "month"}, "prices": {"USD": _flat("1.00")}}
    assert (await api.post("/v1/plans", body)).status_code == 201
    page = await shopper.open((await subscribing(api, ada, plan=plan))["url"])
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
