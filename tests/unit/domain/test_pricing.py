from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import PlanTerms
from perennial.domain.errors import InvalidInput, InvalidQuantity, UnknownCurrency
from perennial.domain.pricing import (
    Commitment,
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    PackageGraduated,
    PackageTier,
    PackageVolume,
    Percentage,
    PercentTier,
    PerUnit,
    PricingModel,
    Tier,
    Volume,
    price,
)

D = Decimal
PRICES = st.decimals(0, 1000, places=6)
QUANTITIES = st.decimals(0, 10_000, places=3)
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(st.integers(1, 5000), min_size=0, max_size=4)))
    return tuple(Tier(D(end) if end else None, draw(PRICES), draw(PRICES)) for end in (*ends, None))


rising = st.one_of(
    st.builds(Flat, amount=PRICES),
    st.builds(PerUnit, unit_price=PRICES, free_units=QUANTITIES),
    st.builds(Graduated, tiers=tiers()),
    st.builds(Package, package_size=st.integers(1, 100).map(D), package_price=PRICES, free_units=QUANTITIES),
    st.builds(
        PackageGraduated,
        package_size=st.integers(1, 100).map(D),
        tiers=tiers().map(lambda found: tuple(PackageTier(t.up_to, t.unit_price) for t in found)),
    ),
    st.builds(Percentage, rate_percent=PRICES, fixed_fee=PRICES, free_amount=st.none() | QUANTITIES),
    st.builds(
        GraduatedPercentage,
        tiers=tiers().map(lambda found: tuple(PercentTier(t.up_to, t.unit_price, t.flat_fee) for t in found)),
    ),
    st.builds(
        Commitment,
        unit_price=PRICES,
        commitment_amount=PRICES,
        overage_factor=st.decimals(0, 3, places=2),
        true_up=st.booleans(),
    ),
)


@given(rising, QUANTITIES, QUANTITIES, CURRENCIES)
def test_more_never_costs_less(model: PricingModel, a: Decimal, b: Decimal, currency: str) -> None:
    """Volume prices are the exception, and are meant to be."""
    less, more = sorted((a, b))
    assert 0 <= price(model, less, currency) <= price(model, more, currency)


@given(rising, QUANTITIES, st.decimals(0, 5000, places=3))
def test_every_line_is_at_least_its_minimum(model: PricingModel, quantity: Decimal, minimum: Decimal) -> None:
    raised = price(replace(model, minimum_amount=minimum), quantity, "USD")
    assert raised == max(price(model, quantity, "USD"), price(Flat(minimum), D(1), "USD"))


@given(tiers(), st.integers(0, 6000), CURRENCIES)
def test_slices_are_what_counting_units_gives(found: tuple[Tier, ...], quantity: int, currency: str) -> None:
    total, tier = D(0), 0
    fees = set()
    for unit in range(1, quantity + 1):
        while (end := found[tier].up_to) is not None and unit > end:
            tier += 1
        total += found[tier].unit_price
        fees.add(tier)
    total += sum((found[n].flat_fee for n in fees), D(0))
    assert price(Graduated(found), D(quantity), currency) == _minor(total, currency)


@given(tiers(), QUANTITIES, CURRENCIES)
def test_volume_is_one_price_for_all(found: tuple[Tier, ...], quantity: Decimal, currency: str) -> None:
    tier = next(t for t in found if t.up_to is None or quantity <= t.up_to)
    expected = quantity * tier.unit_price + tier.flat_fee if quantity else D(0)
    assert price(Volume(found), quantity, currency) == _minor(expected, currency)


@given(PRICES, QUANTITIES, QUANTITIES, CURRENCIES)
def test_units_after_the_free_ones(unit_price: Decimal, free: Decimal, quantity: Decimal, currency: str) -> None:
    expected = max(quantity - free, D(0)) * unit_price
    assert price(PerUnit(unit_price, free_units=free), quantity, currency) == _minor(expected, currency)


@given(PRICES, PRICES, st.lists(st.decimals(0, 500, places=2), max_size=8))
def test_percent_without_allowance_is_percent_of_the_sum_and_fees(
    rate: Decimal, fee: Decimal, events: list[Decimal]
) -> None:
    quantity = sum(events, D(0))
    expected = quantity * rate / 100 + len(events) * fee
    found = price(Percentage(rate, fixed_fee=fee), quantity, "USD", events)
    assert found == (_minor(expected, "USD") if events else 0)


# --- edges, one by one -----------------------------------------------------------------------------------------------

TIERS = (Tier(D(10), D(10), D(2)), Tier(D(20), D(5), D(3)), Tier(None, D(1), D(4)))
PACKAGES = (PackageTier(D(2), D(10)), PackageTier(None, D(4)))


@pytest.mark.parametrize(
    ("model", "quantity", "amount"),
    [
        # quantity zero asks no fee of any tier
        (Flat(D("9.99")), "0", 999),
        (Graduated(TIERS), "0", 0),
        (Volume(TIERS), "0", 0),
        (Package(D(10), D(5)), "0", 0),
        (PackageGraduated(D(10), PACKAGES), "0", 0),
        (PackageVolume(D(10), PACKAGES), "0", 0),
        (GraduatedPercentage((PercentTier(None, D(1), D(200)),)), "0", 0),
        (Percentage(D(1), fixed_fee=D("0.30")), "0", 0),
        (Commitment(D(2), D(100)), "0", 0),
        (Commitment(D(2), D(100), true_up=True), "0", 10_000),
        (Graduated(TIERS, minimum_amount=D("0.50")), "0", 50),
        # the edge belongs to the tier, a fraction beyond it to the next
        (Graduated(TIERS), "10", 10_200),
        (Graduated(TIERS), "10.001", 10_501),
        (Graduated(TIERS), "20.5", 15_950),
        (Volume(TIERS), "10", 10_200),
        (Volume(TIERS), "10.001", 5301),
        (Volume(TIERS), "20.5", 2450),
        # fractions of units and free units
        (PerUnit(D("0.1"), free_units=D("0.5")), "0.75", 3),
        (PerUnit(D(3), free_units=D(10)), "9.999", 0),
        # packages: free units first, then whatever is started
        (Package(D(10), D(5), free_units=D(3)), "3", 0),
        (Package(D(10), D(5), free_units=D(3)), "3.0001", 500),
        (Package(D("0.5"), D(5)), "1.1", 1500),
        (PackageGraduated(D(10), PACKAGES), "20", 2000),
        (PackageGraduated(D(10), PACKAGES), "20.1", 2400),
        (PackageVolume(D(10), PACKAGES), "20", 2000),
        (PackageVolume(D(10), PACKAGES), "20.1", 1200),
        # commitments
        (Commitment(D(2), D(100), overage_factor=D("0.5")), "60", 11_000),
        (Commitment(D(2), D(100)), "60", 12_000),
        (Commitment(D(2), D(100), D("1.5"), minimum_amount=D(200)), "60", 20_000),
        # minimum below the price does nothing; it is not rounded on its own
        (PerUnit(D("0.004"), minimum_amount=D("0.0049")), "1", 0),
        (PerUnit(D("0.004"), minimum_amount=D("0.005")), "1", 1),
    ],
)
def test_edges(model: PricingModel, quantity: str, amount: int) -> None:
    assert price(model, D(quantity), "USD") == amount


FREE = Percentage(D(10), fixed_fee=D(1), free_events=2, free_amount=D(100))


@pytest.mark.parametrize(
    ("model", "events", "amount"),
    [
        (FREE, ["40", "60"], 0),
        (FREE, ["40", "60", "0"], 100),  # both allowances are used up: the fee alone
        (FREE, ["40", "70"], 200),  # passes the amount: fee and a tenth of the excess of 10
        (FREE, ["40", "70", "30"], 600),
        (FREE, ["150", "10"], 800),  # the first event ends the amount allowance, and the count is no help
        (Percentage(D(10), fixed_fee=D(1), free_amount=D(100)), ["100", "10"], 200),  # used up exactly, then paid whole
        (Percentage(D(10), fixed_fee=D(1), free_events=0), ["10"], 200),
        (Percentage(D(10), fixed_fee=D(1), free_amount=D(0)), ["10"], 200),
        (Percentage(D(10)), ["0.004", "0.004"], 0),
        (Percentage(D(10)), ["0.05", "0.05"], 1),
        (Percentage(D(10), minimum_amount=D(5)), [], 500),
        (Percentage(D(10), fixed_fee=D(1)), ["33.333"], 433),
    ],
)
def test_events(model: Percentage, events: list[str], amount: int) -> None:
    sums = sum((D(event) for event in events), D(0))
    assert price(model, sums, "USD", [D(event) for event in events]) == amount


def test_without_events_the_quantity_is_one() -> None:
    assert price(FREE, D(150), "USD") == price(FREE, D(150), "USD", [D(150)]) == 600


def test_arithmetic_is_exact_beyond_what_decimals_carry() -> None:
    model = PerUnit(D("0.000000000001"))
    assert price(model, D(123456789012345678901234567890), "USD") == 12345678901234567890


@pytest.mark.parametrize("quantity", ["-1", "-0.001", "NaN", "Infinity"])
def test_what_has_no_price(quantity: str) -> None:
    with pytest.raises(InvalidQuantity):
        price(Flat(D(1)), D(quantity), "USD")
    with pytest.raises(InvalidQuantity):
        price(Percentage(D(1)), D(1), "USD", [D(quantity)])


@pytest.mark.parametrize("model", [Graduated((Tier(D(10), D(1)),)), Volume((Tier(D(10), D(1)),))])
def test_beyond_the_last_tier(model: PricingModel) -> None:
    assert price(model, D(10), "USD") == 1000
    with pytest.raises(InvalidQuantity, match="ends at 10"):
        price(model, D("10.1"), "USD")


def test_terms_price_a_whole_period() -> None:
    monthly = Interval(IntervalUnit.MONTH)
    terms = PlanTerms("team", 1, "Team", monthly, "USD", Graduated(TIERS))
    assert [terms.amount(n) for n in (1, 10, 11)] == [1200, 10_200, 11_000]
    with pytest.raises(InvalidQuantity):
        terms.amount(-1)
    with pytest.raises(UnknownCurrency):
        PlanTerms("team", 1, "Team", monthly, "usd", Flat(D(1)))
    with pytest.raises(InvalidInput):
        PlanTerms("team", 1, "Team", monthly, "USD", Flat(D(1)), trial_days=-1)
    with pytest.raises(InvalidInput):
        PlanTerms("team", 1, "Team", monthly, "USD", Flat(D(1)), reminder_days=0)


def _minor(major: Decimal, currency: str) -> int:
    digits = {"USD": 2, "JPY": 0, "KWD": 3}[currency]
    return int(major.scaleb(digits).quantize(Decimal(1), rounding=ROUND_HALF_UP))
