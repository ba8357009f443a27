"""The worked examples of the pages on usage and entitlements."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from perennial.domain.entitlements import Entitlement, EntitlementKind, Held, together
from perennial.domain.pricing import Graduated, PricingModel, Tier, Volume, price
from perennial.domain.usage import Aggregation, Comparison, Event, Filter, Meter, aggregate

D = Decimal
FREE = Tier(D(100), D(0))
CALLS = Graduated(tiers=(FREE, Tier(None, D("0.01"))))


def still_owed(model: PricingModel, levels: list[int]) -> list[int]:
    """What each bill asks for when a stretch is measured anew: the difference to all that was billed of it."""
    asked: list[int] = []
    for level in levels:
        asked.append(max(0, price(model, D(level), "USD") - sum(asked)))
    return asked


# --- usage.md --------------------------------------------------------------------------------------------------------


def test_late_events_on_the_next_invoice() -> None:
    assert still_owed(CALLS, [1500, 1550]) == [1400, 50]


def test_late_events_that_fall_into_another_tier() -> None:
    by_volume = Volume(tiers=(Tier(D(1000), D("0.10")), Tier(None, D("0.05"))))
    assert price(by_volume, D(1001), "USD") == 5005
    assert still_owed(by_volume, [1000, 1001, 2501]) == [10_000, 0, 2505]


def test_one_set_of_events_five_meters() -> None:
    told = [(10, "2.5", "eu"), (11, "-1", "us"), (12, "10", "eu"), (13, "many", "asia")]
    events = [
        Event(f"e{hour}", "transfer", datetime(2026, 1, 1, hour, tzinfo=UTC), {"gb": gb, "region": region})
        for hour, gb, region in told
    ]
    of = {
        Aggregation.COUNT: None,
        Aggregation.SUM: "gb",
        Aggregation.MAX: "gb",
        Aggregation.LAST: "gb",
        Aggregation.UNIQUE: "region",
    }
    found = {kind: aggregate(Meter("m", "M", "transfer", kind, name), events) for kind, name in of.items()}
    assert list(found.values()) == [4, D("11.5"), 10, 10, 3]
    elsewhere = Meter("m", "M", "transfer", Aggregation.SUM, "gb", (Filter("region", Comparison.NE, ("eu",)),))
    assert aggregate(elsewhere, events) == -1


def test_a_change_of_plan_in_the_middle_of_a_period() -> None:
    new = Graduated(tiers=(FREE, Tier(None, D("0.02"))))
    assert (price(CALLS, D(300), "USD"), price(new, D(200), "USD")) == (200, 200)


# --- entitlements.md -------------------------------------------------------------------------------------------------


def test_two_subscriptions_of_one_customer() -> None:
    end = datetime(2026, 2, 1, tzinfo=UTC)
    traffic = Entitlement("traffic", EntitlementKind.LIMIT, limit=D(500), meter="gb")
    one = Held("sub_1", end, traffic, D(600))
    two = Held("sub_2", end, replace(traffic, limit=D("250.5")), D("100.25"))
    sso = Held("sub_1", end, Entitlement("sso", EntitlementKind.SWITCH), None)
    limit, switch = together([one, sso, two])
    assert (limit.limit, limit.used, limit.remaining, limit.allowed) == (D("750.5"), D("700.25"), D("50.25"), True)
    assert (switch.allowed, switch.subscriptions) == (True, ("sub_1",))

    full = replace(two, used=D("150.50"))
    [limit] = together([one, full])
    assert (limit.remaining, limit.allowed, limit.over) == (0, False, False)
    soft = replace(full, entitlement=replace(full.entitlement, hard=False))
    [limit] = together([one, soft])
    assert (limit.allowed, limit.over) == (True, False)
    [limit] = together([one, replace(soft, used=D(151))])
    assert (limit.allowed, limit.over) == (True, True)


def test_alerts_at_80_and_100_per_cent() -> None:
    limit = Entitlement("calls", EntitlementKind.LIMIT, limit=D(1000), meter="calls", alerts=(80, 100))
    assert [limit.reached(D(used)) for used in (799, 800, 999, 1250)] == [(), (80,), (80,), (80, 100)]
    nothing = replace(limit, limit=D(0))
    assert [nothing.reached(D(used)) for used in (0, 1)] == [(), (80, 100)]
