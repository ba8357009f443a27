"""A gateway that does not answer: the money may have moved, and it moves once."""

import asyncio

import pytest

from perennial.domain.subscription import Status
from perennial.engine.context import Engine
from perennial.gateways.simulator import faults as simulator
from tests.support.stage import Stage


@pytest.mark.parametrize("card", ["pm_card_captures_then_times_out", "pm_card_times_out_before_capture"])
async def test_a_charge_whose_answer_is_lost_is_made_once(engine: Engine, card: str) -> None:
    """For every charge of three months; before anything is sent again the gateway is asked what happened."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, card=card)
    await stage.advance(clock, "2026-04-01 10:00")
    assert [bill.status for bill in await stage.bills(sub)] == ["paid"] * 3
    assert [capture.amount for capture in await stage.captures(sub)] == [900] * 3
    assert await stage.timeline(sub) == ["created", "activated"]
    await stage.once_each(sub)


async def test_an_outage_of_the_gateway_is_waited_for(engine: Engine) -> None:
    """503s are no declines: nobody is dunned for them."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, card="pm_card_outage_3")
    await stage.advance(clock, "2026-03-01 10:00")
    assert (await stage.view(sub)).status == Status.ACTIVE
    assert "payment_failed" not in await stage.timeline(sub)
    await stage.once_each(sub)


async def test_every_third_answer_is_lost_in_a_herd(engine: Engine) -> None:
    """Charges and refunds of twelve subscriptions, with answers lost and errors that mean nothing."""
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    herd = await asyncio.gather(*(stage.subscribe(clock, card=f"pm_card_visa:{n}") for n in range(12)))
    simulator.set_faults(engine.db, simulator.SimulatorFaults(lose_answer_every=3, error_every=4))
    before = simulator.injected(engine.db)
    try:
        await stage.advance(clock, "2026-03-01 10:00")
        for sub in herd[:5]:
            await stage.send(sub, "cancel", when="now", refund="full")
    finally:
        simulator.set_faults(engine.db, simulator.NO_FAULTS)
    injected = simulator.injected(engine.db)
    assert injected["lose_answer_every"] > before.get("lose_answer_every", 0)
    assert injected["error_every"] > before.get("error_every", 0)
    for sub in herd:
        assert await stage.due_amounts(sub) == [900, 900]
        await stage.once_each(sub)
    for sub in herd[:5]:
        assert [capture.refunded for capture in await stage.captures(sub)] == [0, 900]
