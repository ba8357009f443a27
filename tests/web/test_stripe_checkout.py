"""The server's side of a checkout on Stripe, over its stand-in: the Payment Element itself needs Stripe's network."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.app import create_app
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from tests.api.asking import KEY, Api
from tests.support.stage import Stage
from tests.support.stripe.server import StandIn
from tests.support.stripe.world import ASKS_FOR_3DS, CHARGE_DECLINED, new_card, stripe_gateway
from tests.web.shopping import HERE, Shopper
from tests.web.test_checkout import subscribing
from worker import build_worker

FORM = "form"


@pytest.fixture(scope="module")
async def on_stripe(engine: Engine, stand: StandIn) -> AsyncIterator[Stage]:
    gateway = stripe_gateway(stand, engine.db, "whsec_of_the_checkout")
    more = {"gateway": "stripe", "task_queue": "stripe-checkout", "public_url": HERE, "api_keys": (KEY,)}
    settings = engine.settings.model_copy(update=more | {"stripe_publishable_key": "pk_test_of_the_page"})
    other = replace(engine, gateways=Gateways(gateway), settings=settings)
    async with build_worker(other):
        yield Stage(other)
    gateway.close()


@pytest.fixture
async def shopper(on_stripe: Stage) -> AsyncIterator[Shopper]:
    app = create_app(on_stripe.engine.settings)
    app.state.engine = on_stripe.engine
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE, timeout=30) as browser:
        yield Shopper(browser)


def give(stand: StandIn, shopper: Shopper, *card: str) -> None:
    """What Stripe's form does in the customer's browser, with what the page told it."""
    secret = shopper.page.text.split('data-client-secret="')[1].partition('"')[0]
    stand.give_card(secret.partition("_secret_")[0], secret, new_card(stand, *card))


async def test_the_page_lets_stripes_form_in_and_nothing_else(api: Api, shopper: Shopper, ada: dict[str, Any]) -> None:
    page = await shopper.open((await subscribing(api, ada))["url"])
    policy = page.answer.headers["content-security-policy"]
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com;" in policy
    assert "default-src 'none'" in policy
    assert 'data-stripe-key="pk_test_of_the_page"' in page.text
    assert page.methods == [FORM]
    assert "pm_card" not in page.text


async def test_a_card_that_stripes_form_has_taken_pays(
    api: Api, shopper: Shopper, stand: StandIn, ada: dict[str, Any]
) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    give(stand, shopper)
    assert "Thank you" in (await shopper.send(FORM)).text
    found = (await api.get(f"/v1/checkout-sessions/{session['id']}")).json()
    assert found["status"] == "completed"
    assert len(stand.captured(f":{found['subscription_id']}:")) == 1


async def test_a_form_that_was_not_filled_in_pays_nothing(
    api: Api, shopper: Shopper, stand: StandIn, ada: dict[str, Any]
) -> None:
    """Whatever the browser says: Stripe is asked what became of the set-up."""
    await shopper.open((await subscribing(api, ada))["url"])
    page = await shopper.send(FORM)
    assert "Please choose a payment method." in page.text
    give(stand, shopper)
    assert "Thank you" in (await shopper.send(FORM)).text


async def test_who_comes_back_from_the_cards_own_3ds_finds_the_card_chosen(
    api: Api, shopper: Shopper, stand: StandIn, ada: dict[str, Any]
) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    give(stand, shopper)
    url = f"{HERE}/checkout/{session['id']}?setup_intent=seti_forged&redirect_status=failed"
    page = await shopper.open(url)
    assert page.checked is not None
    assert page.checked.startswith("saved:")
    assert "Thank you" in (await shopper.send()).text


async def test_a_payments_own_3ds_leads_to_the_bank_and_back(
    api: Api, shopper: Shopper, stand: StandIn, ada: dict[str, Any]
) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    give(stand, shopper, ASKS_FOR_3DS)
    assert "Please confirm with your bank" in (await shopper.send(FORM)).text
    to_bank = await shopper.browser.get(shopper.page.links[0])
    reference = to_bank.headers["location"].removeprefix("https://bank.example/3ds/")
    back = stand.manners.return_urls[reference]
    assert back == f"{HERE}/checkout/{session['id']}/back"
    await asyncio.to_thread(stand.manners.authenticate, reference, success=True)
    await shopper.open(back)
    assert "Thank you" in (await shopper.wait()).text


async def test_a_declined_card_makes_room_for_another(
    api: Api, shopper: Shopper, stand: StandIn, ada: dict[str, Any]
) -> None:
    session = await subscribing(api, ada)
    await shopper.open(session["url"])
    give(stand, shopper, CHARGE_DECLINED, "insufficient_funds")
    assert "There was not enough money" in (await shopper.send(FORM)).text
    give(stand, shopper)
    assert "Thank you" in (await shopper.send(FORM)).text
    found = (await api.get(f"/v1/checkout-sessions/{session['id']}")).json()
    assert len(stand.captured(f":{found['subscription_id']}:")) == 1


async def test_a_test_card_is_no_card_of_stripe(api: Api, shopper: Shopper, ada: dict[str, Any]) -> None:
    await shopper.open((await subscribing(api, ada))["url"])
    page = await shopper.send("new:pm_card_visa")
    assert "Please choose a payment method." in page.text
