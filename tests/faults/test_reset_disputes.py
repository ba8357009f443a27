"""A disputed subscription whose run is reset to any earlier event: it freezes and thaws on the same days again."""

import pytest

from perennial.domain.disputes import DisputeStatus
from perennial.engine import disputes
from perennial.engine.context import Engine
from perennial.ports import GatewayEvent, GatewayEventKind
from tests.faults.test_reset import told_again
from tests.support.stage import Stage, eventually


async def bank(stage: Stage, sub: str, outcome: DisputeStatus, becomes: str) -> None:
    """Its word on the first charge, and what the subscription makes of it."""
    [row] = await stage.rows(
        "SELECT a.* FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE i.subscription_id = :id "
        "ORDER BY a.started_at LIMIT 1",
        id=sub,
    )
    ref = await disputes.simulate(stage.engine, row.id, outcome)
    kind = GatewayEventKind.DISPUTE_OPENED
    if outcome is not DisputeStatus.OPEN:
        kind = GatewayEventKind(f"dispute_{outcome.value}")
    reason = "fraudulent" if outcome is DisputeStatus.OPEN else None
    event = GatewayEvent(f"evt_{ref}_{outcome}", kind, row.key, ref, None, reason, row.amount, row.currency)
    await disputes.hear(stage.engine, "simulator", event)

    async def is_so() -> bool:
        return (await stage.view(sub)).status == becomes

    await eventually(is_so)


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_a_frozen_half_year_is_told_again(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-02-11 00:00")
    await bank(stage, sub, DisputeStatus.OPEN, "paused")
    await stage.advance(clock, "2026-04-02 00:00")
    await bank(stage, sub, DisputeStatus.WON, "active")
    now = await stage.advance(clock, "2026-07-25 00:00")
    assert [bill.issued_at.day for bill in await stage.bills(sub)] == [1, 20, 20, 20, 20]
    assert await told_again(stage, sub, clock, now) > 5
