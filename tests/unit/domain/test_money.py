from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.errors import CurrencyMismatch, InvalidInput, UnknownCurrency
from perennial.domain.money import CURRENCIES, Money, allocate, apportion, exponent, round_half_away, to_minor

WEIGHTS = st.lists(st.integers(0, 10**9) | st.fractions(0, 1000), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("currency", "digits"), [("USD", 2), ("EUR", 2), ("JPY", 0), ("CLP", 0), ("KWD", 3), ("BHD", 3)]
)
def test_minor_digits(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize("currency", ["usd", "", "XXX", "US", "DOLLARS", "BTC"])
def test_what_is_no_currency(currency: str) -> None:
    with pytest.raises(UnknownCurrency) as caught:
        exponent(currency)
    assert caught.value.field == "currency"


def test_codes_are_three_capitals() -> None:
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)
    assert len(CURRENCIES) == 157


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.5", 1), ("-0.5", -1), ("1.5", 2), ("2.5", 3), ("-2.5", -3), ("0.4999999999999999999999", 0), ("-0.49", 0)],
)
def test_ties_go_away_from_zero(value: str, rounded: int) -> None:
    assert round_half_away(Decimal(value)) == rounded
    assert round_half_away(Fraction(value)) == rounded


@given(st.decimals(-(10**15), 10**15, places=4))
def test_rounding_is_that_of_paper(value: Decimal) -> None:
    assert round_half_away(value) == int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@given(st.fractions())
def test_rounding_is_symmetric_and_near(value: Fraction) -> None:
    assert round_half_away(-value) == -round_half_away(value)
    assert abs(round_half_away(value) - value) <= Fraction(1, 2)


def test_major_units_are_rounded_once() -> None:
    assert to_minor(Decimal("1.005"), "USD") == 101  # no double is 1.005
    assert to_minor(Decimal("0.5"), "JPY") == 1
    assert to_minor(Fraction(1, 3), "KWD") == 333


@given(st.integers(-(10**12), 10**12), WEIGHTS)
def test_parts_sum_to_the_whole_and_each_is_within_one(total: int, weights: list[int | Fraction]) -> None:
    parts = allocate(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight) / sum(weights)) < 1
        assert weight or not part


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))
def test_two_parts_are_the_rounded_one_and_the_rest(total: int, left: int, right: int) -> None:
    if left + right == 0:
        return
    first, second = allocate(total, [left, right])
    assert first == round_half_away(Fraction(total * left, left + right))
    assert second == total - first


@given(st.integers(0, 1000), st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
def test_no_other_split_is_nearer(total: int, weights: list[int]) -> None:
    """Largest remainder: whoever was rounded up had at least the remainder of whoever was not."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = allocate(total, weights)
    up = [quota % 1 for quota, part in zip(exact, parts, strict=True) if part > quota]
    down = [quota % 1 for quota, part in zip(exact, parts, strict=True) if part < quota]
    assert not up or not down or min(up) >= max(down)


def test_equal_remainders_go_to_the_earlier() -> None:
    assert allocate(100, [1, 1, 1]) == (34, 33, 33)
    assert allocate(-100, [1, 1, 1]) == (-34, -33, -33)
    assert allocate(2, [1, 1, 1]) == (1, 1, 0)


def test_nothing_splits_into_nothing() -> None:
    assert allocate(0, []) == ()
    assert allocate(0, [0, 0]) == (0, 0)


@pytest.mark.parametrize(("total", "weights"), [(1, [0, 0]), (1, []), (5, [1, -1, 3])])
def test_what_cannot_be_split(total: int, weights: list[int]) -> None:
    with pytest.raises(InvalidInput):
        allocate(total, weights)


def test_quotas_that_are_no_split_of_the_total() -> None:
    assert apportion(1, [Fraction(3, 2), Fraction(-1, 2)]) == (2, -1)
    with pytest.raises(InvalidInput):
        apportion(9, [Fraction(1), Fraction(1)])


def test_money_adds_within_a_currency() -> None:
    assert Money(150, "USD") + Money(75, "USD") - Money(25, "USD") == Money(200, "USD")
    assert -Money(5, "USD") < Money(0, "USD") <= Money(0, "USD")
    assert Money(2, "USD") > Money(1, "USD") >= Money(1, "USD")
    assert max(Money(2, "USD"), Money(3, "USD")).minor == 3


def test_money_refuses_to_mix() -> None:
    dollar, euro = Money(1, "USD"), Money(1, "EUR")
    assert dollar != euro
    for mix in (dollar.__add__, dollar.__sub__, dollar.__lt__, dollar.__le__, dollar.__gt__, dollar.__ge__):
        with pytest.raises(CurrencyMismatch, match="USD and EUR"):
            mix(euro)
    with pytest.raises(UnknownCurrency):
        Money(1, "usd")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1234, "USD"), "USD 12.34"),
        (Money(-5, "USD"), "USD -0.05"),
        (Money(0, "EUR"), "EUR 0.00"),
        (Money(1200, "JPY"), "JPY 1200"),
        (Money(12345, "KWD"), "KWD 12.345"),
        (Money(10**20, "USD"), "USD 1000000000000000000.00"),
    ],
)
def test_money_reads_with_the_digits_of_its_currency(money: Money, text: str) -> None:
    assert str(money) == text
    assert to_minor(money.major, money.currency) == money.minor
