"""The worked examples of docs/billing-rules/tax.md."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from perennial.domain.assessment import Assessment, assess
from perennial.domain.calendar import Period
from perennial.domain.invoice import TaxRounding
from perennial.domain.subscription.effects import Line, LineKind
from perennial.domain.tax import Registration, Sale, TaxCategory, TaxCustomer, TaxRate, TaxSeller
from perennial.domain.taxation import REVERSE_CHARGE
from perennial.tax.table import TableTaxCalculator

TODAY = date(2026, 12, 1)
DECEMBER = Period(datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
GERMANY, UNION = Registration("DE"), Registration("EU")


def taxes(of: str, registrations: Sequence[Registration], to: TaxCustomer, on: date = TODAY) -> tuple[TaxRate, ...]:
    return TableTaxCalculator().rates(Sale(TaxSeller(of, None, tuple(registrations)), to, on, "EUR"))


def invoice(rates: Sequence[TaxRate], *prices: int, inclusive: bool = False, by_line: bool = False) -> Assessment:
    lines = [Line(LineKind.PLAN, "Tea", Decimal(1), price, DECEMBER, tax_inclusive=inclusive) for price in prices]
    return assess(lines, rates, TaxRounding.LINE if by_line else TaxRounding.INVOICE)


def test_a_consumer_in_another_country() -> None:
    consumer = TaxCustomer("FR")
    assert invoice(taxes("DE", [GERMANY, UNION], consumer), 1000).total == 1200
    assert invoice(taxes("DE", [GERMANY], consumer), 1000).total == 1190


def test_a_business_in_another_country() -> None:
    found = invoice(taxes("DE", [GERMANY, UNION], TaxCustomer("FR", vat_number="FR40303265045")), 1000)
    (tax,) = found.taxes
    assert (found.total, tax.amount, tax.base) == (1000, 0, 1000)
    assert (tax.rate.category, tax.rate.reason) == (TaxCategory.REVERSE_CHARGE, REVERSE_CHARGE)


def test_a_rate_that_changes() -> None:
    days = (date(2025, 6, 30), date(2025, 7, 1))
    percents = [taxes("DE", [GERMANY, UNION], TaxCustomer("EE"), day)[0].percent for day in days]
    assert percents == [22, 24]


def test_several_taxes_on_one_invoice() -> None:
    registrations = [Registration("CA"), Registration("CA", "QC")]
    quebec = invoice(taxes("CA", registrations, TaxCustomer("CA", "QC")), 10000)
    assert [(tax.rate.name, tax.amount) for tax in quebec.taxes] == [("GST", 500), ("QST", 998)]
    assert quebec.total == 11498
    ontario = invoice(taxes("CA", registrations, TaxCustomer("CA", "ON")), 10000)
    assert [(tax.rate.name, tax.amount) for tax in ontario.taxes] == [("HST", 1300)]
    saskatchewan = invoice(taxes("CA", registrations, TaxCustomer("CA", "SK")), 10000)
    assert [(tax.rate.name, tax.amount) for tax in saskatchewan.taxes] == [("GST", 500)]


def test_tax_on_the_invoice_and_by_line() -> None:
    finland = taxes("DE", [GERMANY, UNION], TaxCustomer("FI"))
    assert [line.tax for line in invoice(finland, 33, 33, 33).lines] == [9, 8, 8]
    assert [line.tax for line in invoice(finland, 33, 33, 33, by_line=True).lines] == [8, 8, 8]


def test_prices_that_hold_their_tax() -> None:
    germany, japan, finland = (
        taxes("DE", [GERMANY, UNION, Registration("JP")], TaxCustomer(country)) for country in ("DE", "JP", "FI")
    )
    assert invoice(germany, 999, inclusive=True).tax == 160
    assert invoice(japan, 980, inclusive=True).tax == 89
    dinars = invoice(finland, 1005, inclusive=True)
    assert (dinars.tax, dinars.net, dinars.total) == (204, 801, 1005)
