"""The rows that explain a price come to the price."""

# ruff: noqa: RUF001 - the figures and words of typesetters
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perennial.documents.formats import formats
from perennial.documents.rows import tier_note
from perennial.documents.tiers import Rate, breakdown, unit_price
from perennial.documents.wording import LANGUAGES, wording
from perennial.domain.money import to_minor
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

FIGURES = st.decimals(0, 500, places=4)
ENDS = st.tuples(st.integers(1, 50), st.integers(51, 400))


def _three(kind: type, *parts: st.SearchStrategy[Decimal]) -> st.SearchStrategy[tuple[object, ...]]:
    rows = st.lists(st.tuples(*parts), min_size=3, max_size=3)
    return st.builds(
        lambda ends, rows: tuple(
            kind(end, *row) for end, row in zip((*(Decimal(end) for end in ends), None), rows, strict=True)
        ),
        ENDS,
        rows,
    )


TIERED = _three(Tier, FIGURES, FIGURES)
PACKAGES = _three(PackageTier, FIGURES)
SIZES = st.integers(1, 40).map(Decimal)
LEAST = st.none() | FIGURES
MODELS: st.SearchStrategy[PricingModel] = st.one_of(
    st.builds(PerUnit, unit_price=FIGURES, free_units=FIGURES, minimum_amount=LEAST),
    st.builds(Graduated, tiers=TIERED, minimum_amount=LEAST),
    st.builds(Volume, tiers=TIERED, minimum_amount=LEAST),
    st.builds(Package, package_size=SIZES, package_price=FIGURES, free_units=FIGURES),
    st.builds(PackageGraduated, package_size=SIZES, tiers=PACKAGES),
    st.builds(PackageVolume, package_size=SIZES, tiers=PACKAGES),
    st.builds(Percentage, rate_percent=FIGURES, fixed_fee=FIGURES),
    st.builds(GraduatedPercentage, tiers=_three(PercentTier, FIGURES, FIGURES)),
    st.builds(
        Commitment,
        unit_price=FIGURES,
        commitment_amount=FIGURES,
        overage_factor=st.sampled_from([Decimal(1), Decimal("1.5")]),
        true_up=st.booleans(),
    ),
)


@example(model=Percentage(rate_percent=Decimal(0), fixed_fee=Decimal("0.005")), quantity=Decimal(0))
@example(model=PerUnit(unit_price=Decimal(0), minimum_amount=Decimal("0.005")), quantity=Decimal(0))
@given(model=MODELS, quantity=st.decimals(0, 1_000, places=2))
def test_the_rows_come_to_the_price(model: PricingModel, quantity: Decimal) -> None:
    amount = price(model, quantity, "EUR")
    rows = breakdown(model, quantity, amount, "EUR")
    least = [row.amount for row in rows if row.kind is Rate.MINIMUM]
    told = sum((Fraction(row.amount) for row in rows if row.kind is not Rate.MINIMUM), Fraction(0))
    each = unit_price(model, quantity, amount, "EUR")
    if each is None and rows:
        assert to_minor(Fraction(least[0]) if least else told, "EUR") == amount
    if each is not None:
        assert to_minor(Fraction(each * quantity), "EUR") == amount


@given(model=MODELS, quantity=st.decimals(0, 1_000, places=2))
def test_a_part_of_a_price_is_not_explained(model: PricingModel, quantity: Decimal) -> None:
    amount = price(model, quantity, "EUR") + 1
    assert breakdown(model, quantity, amount, "EUR") == ()
    assert unit_price(model, quantity, amount, "EUR") is None


@pytest.mark.parametrize(
    ("model", "quantity", "told"),
    [
        (
            Graduated(
                tiers=(Tier(Decimal(10)), Tier(Decimal(20), Decimal("0.5"), Decimal(3)), Tier(None, Decimal("0.25")))
            ),
            "25",
            [
                "up to 10: 10 included",
                "10 to 20: 10 × $0.50 = $5.00",
                "plus a fee of $3.00",
                "above 20: 5 × $0.25 = $1.25",
            ],
        ),
        (
            Volume(tiers=(Tier(Decimal(10), Decimal(2)), Tier(None, Decimal(1)))),
            "25",
            ["above 10: 25 × $1.00 = $25.00"],
        ),
        (
            Package(package_size=Decimal(100), package_price=Decimal(5), free_units=Decimal(50)),
            "251",
            ["50 included", "3 packages × $5.00 = $15.00"],
        ),
        (PerUnit(unit_price=Decimal(2), free_units=Decimal(5)), "7", ["5 included", "2 × $2.00 = $4.00"]),
        (PerUnit(unit_price=Decimal(2), minimum_amount=Decimal(50)), "7", ["Minimum charge $50.00"]),
        (
            Percentage(rate_percent=Decimal("2.9"), fixed_fee=Decimal("0.30")),
            "100",
            ["2.9% of $100.00 = $2.90", "plus a fee of $0.30"],
        ),
        (
            Commitment(
                unit_price=Decimal(1), commitment_amount=Decimal(100), overage_factor=Decimal("1.5"), true_up=True
            ),
            "120",
            ["Commitment $100.00", "150% of $20.00 = $30.00"],
        ),
        (Flat(amount=Decimal(9)), "1", []),
        (PerUnit(unit_price=Decimal(2)), "7", []),
    ],
)  # fmt: skip
def test_how_it_is_told(model: PricingModel, quantity: str, told: list[str]) -> None:
    fmt, words = formats("en", LANGUAGES), wording("en")
    rows = breakdown(model, Decimal(quantity), price(model, Decimal(quantity), "USD"), "USD")
    assert [tier_note(row, "USD", fmt, words) for row in rows] == told
