"""Parked by support, for a hundred days: nothing happens; afterwards what was missed, once."""

import pytest

from perennial.domain.errors import CommandRefused
from tests.support.stage import Stage


async def test_a_quarter_aside_is_billed_afterwards_once(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    view = await stage.send(sub, "park")
    assert (view.status, view.next_due_at) == ("active", None)
    await stage.advance(clock, "2026-05-10 10:00")
    assert await stage.due_amounts(sub) == [900]
    with pytest.raises(CommandRefused, match="unpark it first") as refused:
        await stage.send(sub, "cancel", when="now")
    assert refused.value.code == "subscription_parked"
    view = await stage.send(sub, "unpark")
    assert view.parked_since is None
    await stage.advance(clock, "2026-05-10 10:00")
    bills = await stage.bills(sub)
    assert [(bill.amount_due, bill.status) for bill in bills] == [(900, "paid")] * 4
    assert [f"{bill.period_start:%m-%d}" for bill in bills] == ["01-31", "02-28", "03-31", "04-30"]
    assert {f"{bill.issued_at:%m-%d}" for bill in bills[1:]} == {"05-10"}
    await stage.once_each(sub)
    assert await stage.timeline(sub) == ["created", "activated", "parked", "unparked"]
