"""Random subscriptions, reset to random events in random order, also across continued runs: money stays where it is.

Commands go on coming in between. Every reset tells the same story; one that would forget a command is refused.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest

import workflows.subscription
from perennial.domain.errors import CommandRefused
from perennial.engine.context import Engine
from perennial.gateways.simulator.witness import witness
from perennial.support.histories import COMPLETED, line_of
from perennial.support.plan import WouldForget, plan
from perennial.support.reset import reset
from perennial.support.steps import points_of, steps_of
from tests.support.retold import caught_up, comparable, facts
from tests.support.stage import Stage, at

START = "2026-01-31 10:00"
CARDS = (
    "pm_card_visa",
    "pm_card_declines_charges_2_to_3",
    "pm_card_declines_charges_3_to_9",
    "pm_card_captures_then_times_out",
    "pm_card_authenticationRequired",
)
SEED, LIVES, EPISODES, RESETS = 3, 3, 5, 12


class Lives:
    """Some subscriptions on a clock, and a dice that decides what happens to them."""

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.stage, self.dice = stage, dice
        self.subs: list[str] = []
        self.clock = ""
        self.now = at(START)

    async def begin(self) -> None:
        self.clock = await self.stage.clock(START)
        for _ in range(LIVES):
            card, quantity = self.dice.choice(CARDS[:4]), self.dice.randint(1, 4)
            self.subs.append(await self.stage.subscribe(self.clock, "team-monthly", card=card, quantity=quantity))
        for _ in range(EPISODES):
            self.now = await self.stage.advance(
                self.clock, self.now + timedelta(days=self.dice.choice([3, 20, 35, 60]))
            )
            for sub in self.subs:
                await self.something(sub)

    async def something(self, sub: str) -> None:
        """What the state does not allow is refused, and the refusal is part of the story."""
        choices: list[tuple[str, dict[str, Any]]] = [
            ("change_quantity", {"quantity": self.dice.randint(1, 9)}),
            ("change_quantity", {"quantity": self.dice.randint(1, 9), "when": "period_end"}),
            ("pause", {}),
            ("resume", {}),
            ("cancel", {}),
            ("undo_cancel", {}),
            ("skip_next", {}),
            ("park", {}),
            ("unpark", {}),
            ("set_payment_method", {"payment_method_id": None}),
        ]
        name, fields = self.dice.choice(choices)
        if "payment_method_id" in fields:
            fields = {"payment_method_id": await self.stage.card(self.stage.owners[sub], self.dice.choice(CARDS))}
        with suppress(CommandRefused):
            await self.stage.send(sub, name, **fields)

    async def reset_somewhere(self, sub: str) -> bool:
        """False when it was refused, because something would be forgotten."""
        engine = self.stage.engine
        line = await line_of(engine, sub)
        point = self.dice.choice([point for run in line.runs for point in points_of(run, [COMPLETED])])
        try:
            wanted = await plan(engine, line, await steps_of(engine, line), point, "a random event")
        except WouldForget:
            return False
        assert (await reset(engine, wanted, why="a random reset")).is_caught_up
        return True


async def money(stage: Stage) -> Any:
    """All of the simulator's ledger, not only what it has taken for one subscription."""
    return await asyncio.to_thread(witness, stage.engine.db)


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_random_resets_move_no_money(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows.subscription, "EVENTS_PER_RUN", 40)
    lives = Lives(stage := Stage(engine), dice := Random(SEED))
    await lives.begin()
    taken = await money(stage)
    done = across = 0
    for turn in range(RESETS):
        sub = dice.choice(lives.subs)
        if turn % 5 == 4:
            await lives.something(sub)
            taken = await money(stage)
        state, before = await caught_up(stage, sub, lives.clock, lives.now), await facts(stage, sub)
        across += len((await line_of(engine, sub)).runs) > 1
        done += await lives.reset_somewhere(sub)
        again = await caught_up(stage, sub, lives.clock, lives.now)
        assert comparable(again) == comparable(state)
        assert await facts(stage, sub) == before
        assert await money(stage) == taken
    assert done > RESETS // 2
    assert across
    for sub in lives.subs:
        await stage.once_each(sub)
