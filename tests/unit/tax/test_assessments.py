"""Decided taxes on whole invoices: with prices that hold their tax and prices that do not, in 0, 2 and 3 decimals."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.assessment import Assessment, assess
from perennial.domain.calendar import Period
from perennial.domain.invoice import TaxRounding
from perennial.domain.money import exponent
from perennial.domain.subscription.effects import Line, LineKind
from perennial.domain.tax import Registration, Sale, TaxCustomer, TaxRate, TaxSeller
from perennial.tax.table import TableTaxCalculator
from tests.support.stage import at

MONTH = Period(at("2026-12-01"), at("2027-01-01"))


def taxes(country: str, region: str | None = None, *, vat: str | None = None) -> tuple[TaxRate, ...]:
    """Of a seller in Germany who collects in the Union, Japan and all of Canada."""
    places = [("DE", None), ("EU", None), ("JP", None), ("CA", None), ("CA", "BC"), ("CA", "QC")]
    of = TaxSeller("DE", None, tuple(Registration(*place) for place in places))
    sale = Sale(of, TaxCustomer(country, region, vat_number=vat), date(2026, 12, 1), "EUR")
    return TableTaxCalculator().rates(sale)


def lines(*amounts: int, inclusive: bool = False) -> list[Line]:
    return [Line(LineKind.PLAN, "Tea", Decimal(1), amount, MONTH, tax_inclusive=inclusive) for amount in amounts]


def figures(found: Assessment) -> tuple[int, int, int]:
    return found.net, found.tax, found.total


CASES = [
    # currency, place, prices, inclusive: net, tax, total
    ("EUR", ("DE",), [999], False, (999, 190, 1189)),
    ("EUR", ("DE",), [999], True, (839, 160, 999)),
    ("JPY", ("JP",), [980], False, (980, 98, 1078)),
    ("JPY", ("JP",), [980], True, (891, 89, 980)),
    ("KWD", ("FI",), [1005], False, (1005, 256, 1261)),
    ("KWD", ("FI",), [1005], True, (801, 204, 1005)),
    ("CAD", ("CA", "QC"), [10000], False, (10000, 1498, 11498)),
    ("CAD", ("CA", "QC"), [11498], True, (10000, 1498, 11498)),
    ("CAD", ("CA", "BC"), [999], False, (999, 120, 1119)),
]


@pytest.mark.parametrize(("currency", "place", "prices", "inclusive", "expected"), CASES)
def test_figures(
    currency: str,
    place: tuple[str, ...],
    prices: list[int],
    inclusive: bool,  # noqa: FBT001 - a column of the table
    expected: tuple[int, int, int],
) -> None:
    assert exponent(currency) in (0, 2, 3)
    assert figures(assess(lines(*prices, inclusive=inclusive), taxes(*place))) == expected


def test_reverse_charge_states_the_base_and_takes_nothing() -> None:
    found = assess(lines(999, 501), taxes("FR", vat="FR40303265045"))
    assert figures(found) == (1500, 0, 1500)
    assert [(tax.base, tax.amount, tax.rate.category) for tax in found.taxes] == [(1500, 0, "AE")]


def test_rounding_on_the_invoice_and_by_line() -> None:
    """Three lines of 0.33 at 25.5 %: 0.252 of the sum, or three times 0.08."""
    finland = taxes("FI")
    assert assess(lines(33, 33, 33), finland, TaxRounding.INVOICE).tax == 25
    assert assess(lines(33, 33, 33), finland, TaxRounding.LINE).tax == 24


PLACES = [("DE", None), ("FI", None), ("CA", "QC"), ("CA", "ON"), ("JP", None), ("US", "NY")]
amounts = st.lists(st.integers(0, 10**9), min_size=1, max_size=6)


@given(amounts, st.sampled_from(PLACES), st.booleans(), st.sampled_from(TaxRounding))
def test_parts_sum_to_totals_and_prices_with_tax_are_what_is_paid(
    prices: Sequence[int],
    place: tuple[str, str | None],
    inclusive: bool,  # noqa: FBT001 - drawn
    rounding: TaxRounding,
) -> None:
    rates = taxes(*place)
    found = assess(lines(*prices, inclusive=inclusive), rates, rounding)
    assert found.total == found.net + found.tax == sum(line.net + line.tax for line in found.lines)
    assert found.tax == sum(tax.amount for tax in found.taxes)
    for position, tax in enumerate(found.taxes):
        assert tax.amount == sum(part for line in found.lines for n, part in line.taxes if n == position)
        assert tax.base == found.net
    if inclusive:
        assert found.total == sum(prices)
        assert all(line.net + line.tax == line.line.amount for line in found.lines)
    else:
        assert found.net == sum(prices)
    if rounding is TaxRounding.INVOICE and not inclusive:
        for tax in found.taxes:  # EN 16931, BR-CO-17
            assert abs(tax.amount - tax.base * Fraction(tax.rate.percent) / 100) <= Fraction(1, 2)
