"""The demo catalogue is sold as it stands: the hybrid plan bills its base, its usage and its minimum."""

import pytest

from perennial.engine import usage
from perennial.engine.demo_catalog import DEMO_PLANS
from perennial.engine.plan_checks import check_version
from perennial.engine.usage import NewEvent
from tests.support.stage import Stage, at


@pytest.mark.parametrize("code", [plan.code for plan in DEMO_PLANS])
def test_every_plan_can_be_sold(code: str) -> None:
    check_version(next(plan for plan in DEMO_PLANS if plan.code == code))


async def test_the_hybrid_plan(stage: Stage) -> None:
    """As docs/billing-rules/pricing.md has it: 29.00, then with 150,000 calls and 20 GB 219.00."""
    clock = await stage.clock("2026-04-01 00:00")
    sub = await stage.subscribe(clock, "api-monthly")
    await stage.advance(clock, "2026-04-20 00:00")
    customer = stage.owners[sub]
    events = [
        NewEvent(
            id=f"{sub}:{n}", customer_id=customer, name=name, at=at(f"2026-04-{n:02} 12:00"), properties=properties
        )
        for n, (name, properties) in enumerate(
            [
                ("api_call", {"value": 100_000}),
                ("api_call", {"value": "50000"}),
                ("storage", {"gb": "20"}),
                ("storage", {"gb": "12.5"}),
            ],
            start=2,
        )
    ]
    await usage.ingest(stage.engine, events)
    await stage.advance(clock, "2026-06-01 00:00")
    assert await stage.due_amounts(sub) == [2900, 21_900, 3400]
    lines = await stage.rows(
        "SELECT l.code, l.quantity, l.net FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
        "WHERE i.subscription_id = :id AND l.kind = 'usage' ORDER BY i.issued_at, l.position",
        id=sub,
    )
    assert [(line.code, int(line.quantity), line.net) for line in lines] == [
        ("api-calls", 150_000, 18_500),
        ("storage", 20, 500),
        ("storage", 0, 500),
    ]


async def test_a_setup_fee_comes_once(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 00:00")
    sub = await stage.subscribe(clock, "premium-yearly", currency="KWD")
    await stage.advance(clock, "2027-04-01 00:00")
    assert await stage.due_amounts(sub) == [152_500 + 30_500, 152_500]
