"""Rules as rows, one card at two gateways, cards that their banks replace."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from perennial.db.models import PaymentMethod
from perennial.domain.errors import InvalidInput, NotFound
from perennial.domain.routing import Rule, Share
from perennial.engine import checkout, customers, routing, webhooks
from perennial.engine.checkout import Mode, NewSession
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import SimulatorGateway, signatures
from perennial.ports import GatewayCapabilities
from tests.support.paper import Paper
from tests.support.paper_books import people

FIRST, SECOND = "simulator", "simulator_2"
SECRET = "whsec_of_the_routing_tests"


class Euros(SimulatorGateway):
    """Takes nothing else."""

    capabilities = replace(SimulatorGateway.capabilities, currencies=frozenset({"EUR"}))
    assert isinstance(capabilities, GatewayCapabilities)


@pytest.fixture
async def two(paper_books: Engine) -> AsyncIterator[Engine]:
    gateways = Gateways(
        SimulatorGateway(paper_books.db, webhook_secret=SECRET, name=FIRST),
        Euros(paper_books.db, webhook_secret=SECRET, name=SECOND),
    )
    for gateway in gateways:
        gateway.create_schema()  # type: ignore[attr-defined]
    engine = replace(paper_books, gateways=gateways)
    yield engine
    await routing.replace(engine, [])


async def someone(engine: Engine, country: str | None = None) -> str:
    return (await customers.create(engine, name="Ada", email="ada@example.com", country=country)).id


async def test_currency_and_country_decide(two: Engine) -> None:
    there, here = Share(SECOND, 100), Share(FIRST, 100)
    await routing.replace(two, [Rule((here,), "EUR", "AT"), Rule((there,), "EUR"), Rule((there,), None, "DE")])
    german, austrian = await someone(two, "DE"), await someone(two, "AT")
    assert await routing.order(two, german, "EUR") == (SECOND, FIRST)
    assert await routing.order(two, austrian, "EUR") == (FIRST, SECOND)
    assert await routing.choose(two, austrian, "USD") == FIRST
    assert await routing.order(two, german, "USD") == (FIRST,), "the other takes euros alone"
    with pytest.raises(NotFound):
        await routing.order(two, "cus_of_nobody", "EUR")


async def test_the_same_rules_again_are_no_new_row(two: Engine) -> None:
    rules = [Rule((Share(FIRST, 30), Share(SECOND, 70)))]
    first = await routing.replace(two, rules)
    assert (await routing.replace(two, rules)).id == first.id
    assert (await routing.replace(two, [])).id > first.id


async def test_one_card_at_two_gateways(two: Engine) -> None:
    who = await someone(two)
    method = await customers.attach_payment_method(two, who, "pm_card_visa:x", gateway=FIRST)
    await routing.add_token(two, who, method.id, SECOND, "pm_card_visa:y")
    assert await routing.tokens(two, who, method.id) == {FIRST: "pm_card_visa:x", SECOND: "pm_card_visa:y"}
    await routing.add_token(two, who, method.id, SECOND, "pm_card_visa:z")
    assert (await routing.tokens(two, who, method.id))[SECOND] == "pm_card_visa:z"
    for gateway, token, words in (
        (FIRST, "pm_card_visa", "is from this gateway"),
        (SECOND, "pm_card_amex", "another card"),
        (SECOND, "pm_of_nobody", "does not know"),
        ("stripe", "pm_card_visa", "not enabled"),
    ):
        with pytest.raises(InvalidInput, match=words):
            await routing.add_token(two, who, method.id, gateway, token)
    with pytest.raises(NotFound):
        await routing.add_token(two, await someone(two), method.id, SECOND, "pm_card_visa")


async def test_a_token_is_given_to_the_gateway_that_is_named(two: Engine) -> None:
    who = await someone(two)
    assert (await customers.attach_payment_method(two, who, "pm_card_visa", gateway=SECOND)).gateway == SECOND
    assert (await customers.attach_payment_method(two, who, "pm_card_visa")).gateway == FIRST
    with pytest.raises(InvalidInput, match="'stripe' is not enabled"):
        await customers.attach_payment_method(two, who, "pm_card_visa", gateway="stripe")


async def updated(engine: Engine, gateway: str, token: str, event_id: str | None = None) -> bool:
    event = {"id": event_id or f"evt_{uuid4().hex}", "kind": "card_updated", "charge_key": None, "gateway_ref": token}
    body = json.dumps(event | {"status": None, "decline_code": None, "amount": 0, "currency": "XXX"}).encode()
    headers = {signatures.HEADER: signatures.sign(SECRET, body, datetime.now(UTC))}
    return await webhooks.receive(engine, gateway, body, headers)


async def shown(engine: Engine, method: str) -> tuple[Any, ...]:
    row = await engine.read(lambda session: session.get_one(PaymentMethod, method))
    return row.last4, row.exp_year, row.fingerprint


async def test_a_replaced_card_shows_itself_whenever_the_news_comes(two: Engine) -> None:
    who, token, other = await someone(two), f"pm_card_visa:{uuid4().hex}", f"pm_card_visa:{uuid4().hex}"
    method = await customers.attach_payment_method(two, who, token, gateway=FIRST)
    untouched = await customers.attach_payment_method(two, who, token, gateway=SECOND, default=False)
    before = await shown(two, method.id)
    bank = two.gateways[FIRST]
    assert isinstance(bank, SimulatorGateway)

    assert await updated(two, FIRST, token, "evt_early_" + token)
    assert await shown(two, method.id) == before, "nothing has changed yet, says the gateway"
    bank.update_card(token)
    bank.update_card(token)
    assert await updated(two, FIRST, token)
    now = await shown(two, method.id)
    assert now[:2] == ("4244", before[1] + 6)
    assert now[2] != before[2], "another card, which has been tried by nobody"
    assert not await updated(two, FIRST, token, "evt_early_" + token), "the old news once more"
    assert await updated(two, FIRST, token)
    assert await shown(two, method.id) == now
    assert await shown(two, untouched.id) == before, "another gateway's token of the same name"
    assert await updated(two, FIRST, other), "a card of nobody"
    assert await updated(two, FIRST, "pm_unheard_of"), "not even the gateway knows it"


async def test_the_news_of_the_second_gateway_is_of_the_same_card(two: Engine) -> None:
    who, token, twin = await someone(two), f"pm_card_visa:{uuid4().hex}", f"pm_card_visa:{uuid4().hex}"
    method = await customers.attach_payment_method(two, who, token, gateway=FIRST)
    await routing.add_token(two, who, method.id, SECOND, twin)
    before, bank = await shown(two, method.id), two.gateways[SECOND]
    assert isinstance(bank, SimulatorGateway)
    bank.update_card(twin)
    assert await updated(two, SECOND, twin)
    now = await shown(two, method.id)
    assert now == ("4243", before[1] + 3, before[2]), "each gateway has a name of its own for a card"


async def test_a_card_that_is_set_up_is_taken_where_the_routing_says(two: Engine) -> None:
    """For the currency that is named, else that of the customer's subscriptions; without either, the primary one."""
    await routing.replace(two, [Rule((Share(SECOND, 100),), "EUR")])

    async def taken_at(customer: str, currency: str | None = None) -> str:
        new = NewSession(mode=Mode.SETUP, customer_id=customer, currency=currency)
        return (await checkout.create(two, new)).gateway

    stranger = await someone(two)
    assert await taken_at(stranger) == FIRST
    assert await taken_at(stranger, "EUR") == SECOND
    assert await taken_at(stranger, "USD") == FIRST
    subscriber = await people(two, None, {})
    new = NewSubscription(customer_id=subscriber, plan="flat", currency="EUR", id=f"sub_{uuid4().hex}")
    await Paper.begin(two, new, datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert await taken_at(subscriber) == SECOND
    assert await taken_at(subscriber, "USD") == FIRST
