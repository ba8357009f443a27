"""3-D Secure and other payments whose outcome comes later, through signed webhooks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from perennial.domain.errors import PerennialError
from perennial.engine import webhooks
from perennial.engine.context import Engine
from perennial.gateways.simulator.dispatcher import WebhookDispatcher
from perennial.gateways.simulator.gateway import SimulatorGateway
from tests.support.stage import Stage, eventually

Deliver = Callable[[], Awaitable[list[bool]]]


@pytest.fixture
async def deliver(engine: Engine) -> AsyncIterator[Deliver]:
    """Delivers what the simulator has to say, as it would over HTTP; True for each event that was news."""
    dispatcher = WebhookDispatcher(engine.db, url="http://localhost/", secret=engine.settings.webhook_secret)
    sent: list[httpx.Request] = []
    dispatcher._client.close()
    dispatcher._client = httpx.Client(transport=httpx.MockTransport(lambda r: sent.append(r) or httpx.Response(204)))

    async def once() -> list[bool]:
        await asyncio.to_thread(dispatcher.run_once)
        requests, sent[:] = list(sent), []
        return [await webhooks.receive(engine, "simulator", each.content, each.headers) for each in requests]

    yield once
    dispatcher.close()


async def _reference(stage: Stage, sub: str, period: int) -> str:
    rows = await stage.rows(
        "SELECT gateway_ref FROM simulator.payments WHERE key LIKE :key ORDER BY id DESC", key=f"%:{sub}:{period}:%"
    )
    return str(rows[0].gateway_ref)


async def _authenticate(stage: Stage, sub: str, period: int, *, success: bool) -> None:
    gateway = stage.engine.gateway
    assert isinstance(gateway, SimulatorGateway)
    reference = await _reference(stage, sub, period)
    await asyncio.to_thread(gateway.authenticate, reference, success=success)


async def test_a_payment_that_comes_while_it_is_parked_is_taken(stage: Stage, deliver: Deliver) -> None:
    """It stands in the books at once; the subscription learns of it when it is unparked."""
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    strict = await stage.card(stage.owners[sub], "pm_card_authenticationRequired")
    await stage.send(sub, "set_payment_method", payment_method_id=strict)
    await stage.advance(clock, "2026-05-01 12:00")
    await stage.send(sub, "park")
    await _authenticate(stage, sub, 1, success=True)
    assert True in await deliver()

    async def booked() -> bool:
        return [bill.status for bill in await stage.bills(sub)] == ["paid", "paid"]

    await eventually(booked)
    assert (await stage.view(sub)).status == "past_due"
    await stage.once_each(sub)
    await stage.send(sub, "unpark")
    assert (await stage.view(sub)).status == "active"
    await stage.once_each(sub)


async def test_a_renewal_waits_for_the_customers_bank(stage: Stage, deliver: Deliver) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock)
    strict = await stage.card(stage.owners[sub], "pm_card_authenticationRequired")
    await stage.send(sub, "set_payment_method", payment_method_id=strict)
    await stage.advance(clock, "2026-05-01 12:00")
    assert (await stage.view(sub)).status == "past_due"
    assert "payment_action_required" in await stage.messages(sub)
    await _authenticate(stage, sub, 1, success=True)
    assert True in await deliver()

    async def recovered() -> bool:
        return (await stage.view(sub)).status == "active"

    await eventually(recovered)
    assert not [news for news in await deliver() if news]
    assert [bill.status for bill in await stage.bills(sub)] == ["paid", "paid"]
    await stage.once_each(sub)


async def test_a_failed_authentication_leaves_the_case_open(stage: Stage, deliver: Deliver) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock, card="pm_card_threeDSecureOnce")
    assert (await stage.view(sub)).status == "incomplete"
    await _authenticate(stage, sub, 0, success=False)
    await deliver()
    card = await stage.card(stage.owners[sub], "pm_card_visa")
    view = await stage.send(sub, "set_payment_method", payment_method_id=card)
    assert view.status == "active"
    await stage.once_each(sub)


async def test_a_card_that_has_authenticated_once_renews_by_itself(stage: Stage, deliver: Deliver) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock, card="pm_card_threeDSecureOnce")
    await _authenticate(stage, sub, 0, success=True)
    await deliver()

    async def active() -> bool:
        return (await stage.view(sub)).status == "active"

    await eventually(active)
    await stage.advance(clock, "2026-06-01 09:00")
    assert [bill.status for bill in await stage.bills(sub)] == ["paid"] * 3
    await stage.once_each(sub)


async def test_doubled_webhooks_are_seen_once(stage: Stage, deliver: Deliver) -> None:
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock, card="pm_card_webhook_twice")
    told = [await deliver(), await deliver()]
    assert [news for once in told for news in once].count(True) >= 1
    assert False in [news for once in told for news in once]
    await stage.advance(clock, "2026-05-01 09:00")
    await stage.once_each(sub)


async def test_a_forged_webhook_is_refused(stage: Stage, engine: Engine) -> None:
    with pytest.raises(PerennialError):
        await webhooks.receive(engine, "simulator", b'{"id": "evt_1"}', {"simulator-signature": "t=1,v1=00"})
