"""What a review of the money found that needs a workflow to be seen."""

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.subscription.commands import When
from perennial.domain.usage import Aggregation, Meter
from perennial.engine import meters
from tests.support.stage import Stage

MONTH = Interval(IntervalUnit.MONTH)


async def test_who_used_nothing_can_come_back(stage: Stage) -> None:
    """The end bills what was used; when that is nothing there is no invoice, and nothing to look for ever after."""
    await meters.create(stage.engine, Meter("reviewed", "Reviewed", "reviewed", Aggregation.COUNT))
    plan = await stage.plan(
        "metered",
        interval=MONTH,
        prices={"USD": {"type": "flat", "amount": "5.00"}},
        charges=(
            {
                "code": "reviewed",
                "name": "Reviewed",
                "meter": "reviewed",
                "prices": {"USD": {"type": "per_unit", "unit_price": "0.10"}},
            },
        ),
    )
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, plan)
    await stage.advance(clock, "2026-02-10 00:00")
    await stage.send(sub, "cancel", when=When.NOW)
    assert (await stage.view(sub)).status == "canceled"
    await stage.advance(clock, "2026-02-11 00:00")
    await stage.send(sub, "reactivate")
    assert (await stage.view(sub)).status == "active"
    assert [bill.total for bill in await stage.bills(sub)] == [500, 500]
