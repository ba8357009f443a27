"""The engine on Stripe: the same workflows and activities, with the stand-in's books as witness."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from api.app import create_app
from perennial.engine import webhooks
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from tests.support.stage import Stage, eventually
from tests.support.stripe.server import Fault, StandIn
from tests.support.stripe.world import ASKS_FOR_3DS, CHARGE_DECLINED, event, new_card, signed, stripe_gateway
from worker import build_worker

SECRET = "whsec_of_the_stripe_stories"
CREATE, CONFIRM, REFUND = "PostPaymentIntents", "PostPaymentIntentsIntentConfirm", "PostRefunds"


@pytest.fixture(scope="module")
async def on_stripe(engine: Engine, stand: StandIn) -> AsyncIterator[Stage]:
    """An engine of its own on the shared database, with a worker of its own."""
    gateway = stripe_gateway(stand, engine.db, SECRET)
    settings = engine.settings.model_copy(update={"gateway": "stripe", "task_queue": "stripe-stories"})
    other = replace(engine, gateways=Gateways(gateway), settings=settings)
    async with build_worker(other):
        yield Stage(other)
    gateway.close()


@pytest.fixture(autouse=True)
def faultless(stand: StandIn) -> None:
    stand.faults.clear()


async def announce(stage: Stage, stand: StandIn, reference: str, event_id: str) -> bool:
    """Stripe's webhook about a payment as it is now."""
    _, intent = stand.manners.answer("GET", f"/v1/payment_intents/{reference}", "", "")
    name = {"succeeded": "succeeded"}.get(intent["status"], "payment_failed")
    body, headers = signed(SECRET, event(f"payment_intent.{name}", intent, event_id))
    return await webhooks.receive(stage.engine, "stripe", body, headers)


async def test_lost_answers_and_forgotten_keys_charge_every_renewal_once(on_stripe: Stage, stand: StandIn) -> None:
    """Each renewal meets another failure, and Stripe forgets every key: as if each retry came days later."""
    clock = await on_stripe.clock("2026-01-31 09:00")
    sub = await on_stripe.subscribe(clock, card=new_card(stand))
    troubles = [
        {CONFIRM: [Fault.ANSWER_LOST]},
        {CREATE: [Fault.ANSWER_LOST]},
        {CONFIRM: [Fault.LOST_BEFORE]},
        {CREATE: [Fault.FAILS]},
    ]
    with stand.forgetting_keys():
        for trouble in troubles:
            stand.faults |= trouble
            await on_stripe.advance(clock, days=31)
            assert not any(stand.faults.values())
    bills = await on_stripe.bills(sub)
    assert [bill.status for bill in bills] == ["paid"] * 5
    assert sorted(stand.captured(f":{sub}:")) == sorted(f"charge:{bill.key}:1" for bill in bills)


async def test_the_customers_bank_is_asked_on_its_page_and_the_webhook_resumes(
    on_stripe: Stage, stand: StandIn
) -> None:
    sub = await on_stripe.subscribe(None, card=new_card(stand, ASKS_FOR_3DS))
    assert (await on_stripe.view(sub)).status == "incomplete"
    [(url, reference)] = await on_stripe.rows(
        "SELECT action_url, gateway_ref FROM payment_attempts WHERE customer_id = :id", id=on_stripe.owners[sub]
    )
    app = create_app(on_stripe.engine.settings)
    app.state.engine = on_stripe.engine
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://perennial.test") as browser:
        answer = await browser.get(url)
        assert (answer.status_code, answer.headers["location"]) == (303, f"https://bank.example/3ds/{reference}")
        assert "Thank you" in (await browser.get("/stripe/answered?redirect_status=succeeded")).text
        assert (await on_stripe.view(sub)).status == "incomplete"
        await asyncio.to_thread(stand.manners.authenticate, reference, success=True)
        assert "nothing left" in (await browser.get(url)).text
        assert (await browser.get("/stripe/authenticate/pi_of_nobody")).status_code == 404

    assert await announce(on_stripe, stand, reference, f"evt_{sub}")
    assert not await announce(on_stripe, stand, reference, f"evt_{sub}")

    async def active() -> bool:
        return (await on_stripe.view(sub)).status == "active"

    await eventually(active)
    assert len(stand.captured(f":{sub}:")) == 1


async def test_a_declined_renewal_is_chased_and_another_card_pays_it(on_stripe: Stage, stand: StandIn) -> None:
    clock = await on_stripe.clock("2026-01-31 09:00")
    sub = await on_stripe.subscribe(clock, card=new_card(stand))
    empty = await on_stripe.card(on_stripe.owners[sub], new_card(stand, CHARGE_DECLINED, "insufficient_funds"))
    await on_stripe.send(sub, "set_payment_method", payment_method_id=empty)
    await on_stripe.advance(clock, "2026-02-28 12:00")
    codes = await on_stripe.rows(
        "SELECT decline_code FROM payment_attempts WHERE customer_id = :id AND status = 'declined'",
        id=on_stripe.owners[sub],
    )
    assert [code for (code,) in codes] == ["insufficient_funds"]
    good = await on_stripe.card(on_stripe.owners[sub], new_card(stand))
    await on_stripe.send(sub, "set_payment_method", payment_method_id=good)

    async def active() -> bool:
        return (await on_stripe.view(sub)).status == "active"

    await eventually(active)
    assert len(stand.captured(f":{sub}:")) == 2


async def test_a_refund_whose_answer_was_lost_is_given_once(on_stripe: Stage, stand: StandIn) -> None:
    clock = await on_stripe.clock("2026-01-31 09:00")
    sub = await on_stripe.subscribe(clock, card=new_card(stand))
    with stand.forgetting_keys():
        stand.faults[REFUND] = [Fault.ANSWER_LOST]
        await on_stripe.send(sub, "cancel", when="now", refund="full")
    [key] = stand.captured(f":{sub}:")
    [paid] = [raw for raw in stand.intents() if raw["metadata"].get("charge_key") == key]
    assert paid["latest_charge"]["amount_refunded"] == paid["amount"]
    assert (await on_stripe.books(sub)).get("cash:stripe", 0) == 0
