"""The worked examples of docs/billing-rules/plans.md, and those of pricing.md that a plan is made of."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import Fee, PlanTerms, UsageCharge
from perennial.domain.pricing import (
    Flat,
    Graduated,
    GraduatedPercentage,
    PackageGraduated,
    PackageTier,
    PackageVolume,
    PercentTier,
    PerUnit,
    PricingModel,
    Tier,
    Volume,
    price,
)
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.state import Discount
from tests.unit.subscription.life import Life

D = Decimal
MONTH = Interval(IntervalUnit.MONTH)
APRIL, HALF, MAY = (datetime(2026, month, day, tzinfo=UTC) for month, day in ((4, 1), (4, 16), (5, 1)))


def cost(model: PricingModel, *quantities: int) -> list[int]:
    return [price(model, D(quantity), "USD") for quantity in quantities]


# --- pricing.md ------------------------------------------------------------------------------------------------------


def test_flat_and_per_unit() -> None:
    assert cost(Flat(D(9)), 1, 10) == [900, 900]
    assert cost(PerUnit(D("12.5"), free_units=D(2)), 10, 2) == [10_000, 0]


def test_a_fee_for_each_tier_that_is_reached() -> None:
    tiers = (Tier(D(10), D(1), D(5)), Tier(None, D("0.5"), D(3)))
    assert cost(Graduated(tiers), 10, 11) == [1500, 1850]
    assert cost(Volume(tiers), 10, 11) == [1500, 850]


def test_packages_in_tiers() -> None:
    tiers = (PackageTier(D(2), D(10)), PackageTier(None, D(8)))
    assert cost(PackageGraduated(D(100), tiers), 250) == [2800]
    assert cost(PackageVolume(D(100), tiers), 250) == [2400]


def test_percent_of_an_amount_in_tiers() -> None:
    tiers = (PercentTier(D(1000), D(3)), PercentTier(None, D(2), D(1)))
    assert cost(GraduatedPercentage(tiers), 1500) == [4100]


def test_a_minimum() -> None:
    assert cost(PerUnit(D("0.01"), minimum_amount=D(10)), 400, 1500, 0) == [1000, 1500, 1000]


def test_a_hybrid_plan() -> None:
    """The core drafts what recurs and what comes once, and says whose usage is to be counted; that is priced apart."""
    calls = Graduated((Tier(D(10_000)), Tier(D(100_000), D("0.0015")), Tier(None, D("0.001"))))
    storage = PerUnit(D("0.2"), minimum_amount=D(5))
    terms = PlanTerms(
        "api",
        1,
        "API",
        MONTH,
        "USD",
        Flat(D(29)),
        charges=(UsageCharge("calls", "Calls", "calls", calls), UsageCharge("storage", "Storage", "storage", storage)),
        fees=(Fee("setup", "Setup", 4900),),
    )
    life = Life(terms, start=APRIL).advance(MAY)
    assert life.totals() == [7800, 2900]
    first, second = (document.draft for document in life.documents.values())
    assert first.usage == ()
    [stretch] = second.usage
    assert (stretch.start, stretch.end, stretch.charges) == (APRIL, MAY, terms.charges)
    assert cost(calls, 150_000) + cost(storage, 20) == [18_500, 500]
    assert second.total + sum(cost(calls, 150_000) + cost(storage, 20)) == 21_900


# --- plans.md --------------------------------------------------------------------------------------------------------

OLD = PlanTerms("team", 1, "Team", MONTH, "USD", PerUnit(D(10)))
NEW = replace(OLD, version=2, price=PerUnit(D(12)))


def test_everybody_at_once() -> None:
    move = c.ChangePlan(terms=NEW, only_from=(1,))
    two_seats = Life(OLD, start=APRIL, quantity=2).advance(HALF).send(move)
    assert two_seats.totals() == [2000, 200]
    half_price = Life(OLD, start=APRIL, discounts=(Discount("HALF", percent=D(50)),)).advance(HALF).send(move)
    assert half_price.totals() == [500, 50]


def test_everybody_at_the_end_of_the_period() -> None:
    life = Life(OLD, start=APRIL).advance(HALF).send(c.ChangePlan(terms=NEW, when=c.When.PERIOD_END, only_from=(1,)))
    assert life.totals() == [1000]
    assert life.advance(MAY).totals() == [1000, 1200]
