"""A moving clock under a flood of messages: no renewal is missed or doubled, nobody is answered twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

import workflows.subscription
from perennial.domain.errors import ClockAdvancing, CommandRefused
from perennial.domain.subscription import commands as c
from perennial.engine import clocks
from tests.support.stage import Stage, at

WEEKS = 10


class Flood:
    """Messages to subscriptions until the block ends."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._moving = True
        self.signals = 0
        self.refused = 0

    @asynccontextmanager
    async def over(self, herd: list[str], asked: list[str]) -> AsyncIterator[None]:
        hammers = [asyncio.create_task(self._signals(sub)) for sub in herd]
        hammers += [asyncio.create_task(self._commands(sub)) for sub in asked]
        try:
            yield
        finally:
            self._moving = False
            await asyncio.gather(*hammers)

    async def _signals(self, sub: str) -> None:
        """Cards and news of payments: they change no date. Straight to the workflow, past the edge's refusal."""
        handle = self._stage.handle(sub)
        method = (await self._stage.view(sub)).payment_method_id or ""
        while self._moving:
            request = f"req_{uuid4().hex}"
            await handle.signal("set_payment_method", c.SetPaymentMethod(request_id=request, payment_method_id=method))
            await handle.signal("payment_event", c.PaymentEvent(invoice=f"invoice:{sub}:0:period", attempt=1))
            self.signals += 2
            await asyncio.sleep(0.2)

    async def _commands(self, sub: str) -> None:
        while self._moving:
            try:
                await self._stage.send(sub, "undo_cancel")
            except ClockAdvancing:
                self.refused += 1
            except CommandRefused:
                pass  # between two advances
            await asyncio.sleep(0.05)


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_a_flood_on_a_moving_clock_misses_and_doubles_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four weekly subscriptions in short runs, hammered with signals and commands all the while.

    Ten weeks at least, and as many more as the flood needs to swell: a fast machine moves a clock between two waves.
    """
    monkeypatch.setattr(workflows.subscription, "EVENTS_PER_RUN", 60)
    clock = await stage.clock("2026-01-05 10:00")
    herd = [await stage.subscribe(clock, "box-weekly", card=f"pm_card_visa:{n}") for n in range(4)]
    flood = Flood(stage)
    weeks = 0
    async with flood.over(herd, herd[:2]):
        while weeks < WEEKS or flood.signals <= 100 or flood.refused <= 10:
            await stage.advance(clock, weeks=WEEKS / 2)
            weeks += WEEKS // 2
    expected = [at("2026-01-05 10:00") + timedelta(weeks=n) for n in range(weeks + 1)]
    for sub in herd:
        bills = await stage.bills(sub)
        assert [bill.period_start for bill in bills] == expected
        assert [bill.issued_at for bill in bills] == expected
        await stage.once_each(sub)


async def test_a_repeated_request_gives_the_first_answer_also_in_a_later_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflows.subscription, "EVENTS_PER_RUN", 30)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    run = (await stage.handle(sub).describe()).run_id
    first = await stage.send(sub, "change_quantity", "req_seats", quantity=3)
    assert await stage.send(sub, "change_quantity", "req_seats", quantity=3) == first
    await stage.advance(clock, "2026-07-01 10:00")
    assert (await stage.handle(sub).describe()).run_id != run
    again = await stage.send(sub, "change_quantity", "req_seats", quantity=3)
    assert again == first
    assert [bill.reason for bill in await stage.bills(sub)].count("plan_change") == 1
    await stage.once_each(sub)


async def test_the_same_request_from_many_at_once_is_carried_out_once(stage: Stage) -> None:
    sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"), "team-monthly")
    answers = await asyncio.gather(*(stage.send(sub, "change_quantity", "req_once", quantity=5) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await stage.bills(sub)) == 2
    await stage.once_each(sub)


async def test_two_advances_at_once(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    both = await asyncio.gather(
        *(clocks.advance(stage.engine, clock, by=timedelta(days=365)) for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(each, ClockAdvancing) for each in both) == 1
    assert len(await stage.bills(sub)) == 13
    await stage.once_each(sub)


async def test_an_advance_that_was_cut_off_is_finished_by_the_next(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(clocks.advance(stage.engine, clock, by=timedelta(days=365)), 0.2)
    with pytest.raises(ClockAdvancing):
        await stage.send(sub, "cancel")
    moved = await clocks.advance(stage.engine, clock, by=timedelta())
    assert (moved.status, moved.now) == ("ready", at("2027-01-31 10:00"))
    assert len(await stage.bills(sub)) == 13
    await stage.once_each(sub)


async def test_commands_at_once_are_obeyed_one_after_the_other(stage: Stage) -> None:
    """Ten different numbers of seats at the same instant: each is billed or credited from the one before it."""
    sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"), "team-monthly")
    await asyncio.gather(*(stage.send(sub, "change_quantity", quantity=quantity) for quantity in range(2, 12)))
    view, bills = await stage.view(sub), await stage.bills(sub)
    notes = await stage.rows("SELECT total FROM credit_notes WHERE subscription_id = :id", id=sub)
    assert sum(bill.total for bill in bills) - sum(note.total for note in notes) == 1250 * view.quantity
    await stage.once_each(sub)
