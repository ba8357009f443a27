"""Who sells to whom, and which taxes follow, by the rules of docs/billing-rules/tax.md and the packaged rates."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.tax import DatedRate, Registration, Sale, TaxCustomer, TaxRate, TaxSeller
from perennial.domain.taxation import EU, EXEMPT, NO_RATE, OUTSIDE_SCOPE, RECIPIENT_OWES, REVERSE_CHARGE, decide
from perennial.tax.table import TableTaxCalculator, packaged_rates

CALCULATOR = TableTaxCalculator()
DAY = date(2026, 12, 1)


def seller(country: str, *registered: str, region: str | None = None) -> TaxSeller:
    """`CA-BC` is a registration in a region."""
    parts = [place.split("-") for place in registered]
    return TaxSeller(country, region, tuple(Registration(p[0], p[1] if len(p) > 1 else None) for p in parts))


def ask(
    of: TaxSeller,
    country: str | None,
    region: str | None = None,
    vat: str | None = None,
    *,
    exempt: bool = False,
    postal_code: str | None = None,
    on: date = DAY,
    own: tuple[DatedRate, ...] = (),
) -> tuple[TaxRate, ...]:
    customer = TaxCustomer(country, region, postal_code, vat, exempt)
    return CALCULATOR.rates(Sale(of, customer, on, "EUR", own))


def short(taxes: tuple[TaxRate, ...]) -> list[str]:
    """`DE VAT 19 S`."""
    return [f"{tax.jurisdiction} {tax.name} {tax.percent.normalize():f} {tax.category}" for tax in taxes]


GERMAN, GERMAN_OSS = seller("DE", "DE"), seller("DE", "DE", "EU")
FRENCH_OSS = seller("FR", "FR", "EU")
BRITISH, BRITISH_OSS = seller("GB", "GB"), seller("GB", "GB", "EU")
CANADIAN = seller("CA", "CA", "CA-BC", "CA-QC", region="BC")
AMERICAN = seller("US", "US-NY", region="CA")
NEXT_YEAR = Registration("DE", since=date(2027, 1, 1))
NEW_YORK = DatedRate("US", "NY", "Sales tax", Decimal("8.875"), date(2020, 1, 1))

TABLE = [
    # a seller in the Union, without and with the One-Stop-Shop
    ("at home", GERMAN, ("DE",), ["DE VAT 19 S"]),
    ("at home, a business", GERMAN, ("DE", None, "DE136695976"), ["DE VAT 19 S"]),
    ("a consumer elsewhere in the Union", GERMAN, ("FR",), ["DE VAT 19 S"]),
    ("the same with OSS", GERMAN_OSS, ("FR",), ["FR VAT 20 S"]),
    ("OSS, from France", FRENCH_OSS, ("HU",), ["HU VAT 27 S"]),
    ("a registration there does as well", seller("DE", "DE", "AT"), ("AT",), ["AT VAT 20 S"]),
    ("and not elsewhere", seller("DE", "DE", "AT"), ("IT",), ["DE VAT 19 S"]),
    ("a business elsewhere in the Union", GERMAN, ("FR", None, "FR40303265045"), ["FR VAT 0 AE"]),
    ("a business, and a registration there", seller("DE", "DE", "FR"), ("FR", None, "FR40303265045"), ["FR VAT 0 AE"]),
    ("a Greek number begins with EL", GERMAN, ("GR", None, "EL094259216"), ["GR VAT 0 AE"]),
    ("a business with a number of the seller's country", GERMAN_OSS, ("FR", None, "DE136695976"), ["FR VAT 20 S"]),
    ("Northern Irish numbers are for goods", GERMAN, ("GB", None, "XI123456789"), ["GB VAT 0 O"]),
    ("Great Britain", GERMAN, ("GB",), ["GB VAT 0 O"]),
    ("the United States", GERMAN, ("US", "NY"), ["US-NY VAT 0 O"]),
    ("Switzerland with a registration", seller("DE", "DE", "CH"), ("CH",), ["CH VAT 8.1 S"]),
    ("nobody knows where", GERMAN_OSS, (None,), ["DE VAT 19 S"]),
    ("Monaco is France", FRENCH_OSS, ("MC",), ["FR VAT 20 S"]),
    ("Madeira has its own rate", GERMAN_OSS, ("PT", "30"), ["PT-30 VAT 22 S"]),
    ("the Canary Islands are outside", GERMAN_OSS, ("ES", "CN"), ["ES-CN VAT 0 O"]),
    ("also for Spain", seller("ES", "ES"), ("ES", "CN"), ["ES-CN VAT 0 O"]),
    # outside of the Union
    ("at home in Great Britain", BRITISH, ("GB",), ["GB VAT 20 S"]),
    ("the Isle of Man counts as Great Britain", BRITISH, ("IM",), ["GB VAT 20 S"]),
    ("Great Britain to the Union", BRITISH, ("FR",), ["FR VAT 0 O"]),
    ("with OSS", BRITISH_OSS, ("FR",), ["FR VAT 20 S"]),
    ("with OSS to a business", BRITISH_OSS, ("FR", None, "FR40303265045"), ["FR VAT 0 AE"]),
    ("without OSS to a business", BRITISH, ("FR", None, "FR40303265045"), ["FR VAT 0 O"]),
    ("France to British businesses", seller("FR", "FR", "GB"), ("GB", None, "GB980780684"), ["GB VAT 0 O"]),
    ("France to British consumers", seller("FR", "FR", "GB"), ("GB",), ["GB VAT 20 S"]),
    # Canada
    ("GST and PST", CANADIAN, ("CA", "BC"), ["CA GST 5 S", "CA-BC PST 7 S"]),
    ("GST and QST", CANADIAN, ("CA", "QC"), ["CA GST 5 S", "CA-QC QST 9.975 S"]),
    ("HST holds the GST", CANADIAN, ("CA", "ON"), ["CA-ON HST 13 S"]),
    ("no registration in the province", CANADIAN, ("CA", "SK"), ["CA GST 5 S"]),
    ("a province without a tax", CANADIAN, ("CA", "AB"), ["CA GST 5 S"]),
    ("only the province", seller("DE", "DE", "CA-BC"), ("CA", "BC"), ["CA-BC PST 7 S"]),
    ("nobody knows the province", CANADIAN, ("CA",), ["CA GST 5 S"]),
    ("Canada to France", CANADIAN, ("FR",), ["FR VAT 0 O"]),
    # the United States
    ("a state without registration", AMERICAN, ("US", "CA"), []),
    ("the United States to France", AMERICAN, ("FR",), []),
    ("the United States with OSS", seller("US", "US-NY", "EU"), ("FR",), ["FR VAT 20 S"]),
    # no rate, no registration
    ("no rate is known", AMERICAN, ("US", "NY"), ["US-NY Tax 0 O"]),
    ("no registration", seller("DE"), ("DE",), []),
    ("a registration that begins later", TaxSeller("DE", None, (NEXT_YEAR,)), ("DE",), []),
    ("a seller without a country", TaxSeller(None, None, (Registration("DE"),)), ("DE",), []),
    ("a Swiss seller that is registered abroad only", seller("CH", "DE"), ("CH",), []),
]  # fmt: skip


@pytest.mark.parametrize(("of", "customer", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_table(of: TaxSeller, customer: tuple[str | None, ...], expected: list[str]) -> None:
    assert short(ask(of, *customer)) == expected


def test_a_tax_of_nought_says_why() -> None:
    (reverse,) = ask(GERMAN, "FR", vat="FR40303265045")
    (outside,) = ask(GERMAN, "US")
    (british,) = ask(seller("FR", "FR", "GB"), "GB", vat="GB980780684")
    (unknown,) = ask(AMERICAN, "US", "NY")
    reasons = [tax.reason for tax in (reverse, outside, british, unknown)]
    assert reasons == [REVERSE_CHARGE, OUTSIDE_SCOPE, RECIPIENT_OWES, NO_RATE]
    assert "Article 196 of Directive 2006/112/EC" in REVERSE_CHARGE
    assert all(tax.reason == "" for tax in ask(CANADIAN, "CA", "BC"))


def test_an_exempt_customer_bears_one_tax_of_nought() -> None:
    (tax,) = ask(CANADIAN, "CA", "BC", exempt=True)
    assert (short((tax,)), tax.reason) == (["CA GST 0 E"], EXEMPT)
    assert short(ask(GERMAN, "FR", exempt=True)) == ["DE VAT 0 E"]
    # What is no sale here stays what it is.
    assert short(ask(GERMAN, "FR", vat="FR40303265045", exempt=True)) == ["FR VAT 0 AE"]
    assert ask(seller("DE"), "DE", exempt=True) == ()


def test_spanish_postal_codes_tell_where_the_union_ends() -> None:
    assert short(ask(GERMAN_OSS, "ES", postal_code="35001")) == ["ES-CN VAT 0 O"]
    assert short(ask(GERMAN_OSS, "ES", postal_code="28013")) == ["ES VAT 21 S"]


def test_the_merchants_rates_come_first() -> None:
    assert short(ask(AMERICAN, "US", "NY", own=(NEW_YORK,))) == ["US-NY Sales tax 8.875 S"]
    own = DatedRate("DE", None, "USt.", Decimal(7), date(2026, 1, 1), date(2027, 1, 1))
    assert short(ask(GERMAN, "DE", own=(own,))) == ["DE USt. 7 S"]
    assert short(ask(GERMAN, "DE", own=(own,), on=date(2027, 1, 1))) == ["DE VAT 19 S"]
    # Those of a region leave the country's alone, unless they hold it.
    pst = DatedRate("CA", "BC", "PST", Decimal(8), date(2026, 1, 1))
    assert short(ask(CANADIAN, "CA", "BC", own=(pst,))) == ["CA GST 5 S", "CA-BC PST 8 S"]
    hst = DatedRate("CA", "BC", "HST", Decimal(12), date(2026, 1, 1), combined=True)
    assert short(ask(CANADIAN, "CA", "BC", own=(hst,))) == ["CA-BC HST 12 S"]
    # A region's rate is nobody's business elsewhere in the country; a rate of nought is zero-rated.
    assert short(ask(CANADIAN, "CA", "QC", own=(pst,))) == ["CA GST 5 S", "CA-QC QST 9.975 S"]
    zero = DatedRate("DE", None, "VAT", Decimal(0), date(2026, 1, 1))
    assert short(ask(GERMAN, "DE", own=(zero,))) == ["DE VAT 0 Z"]


CHANGES = [
    ("EE", date(2024, 1, 1), "20", "22"),
    ("EE", date(2025, 7, 1), "22", "24"),
    ("SK", date(2025, 1, 1), "20", "23"),
    ("FI", date(2024, 9, 1), "24", "25.5"),
    ("RO", date(2025, 8, 1), "19", "21"),
    ("LU", date(2024, 1, 1), "16", "17"),
    ("DE", date(2021, 1, 1), "16", "19"),
    ("CH", date(2024, 1, 1), "7.7", "8.1"),
    ("SG", date(2024, 1, 1), "8", "9"),
]


@pytest.mark.parametrize(("country", "day", "before", "after"), CHANGES)
def test_a_rate_changes_at_midnight(country: str, day: date, before: str, after: str) -> None:
    there = seller(country, country)
    eve = date.fromordinal(day.toordinal() - 1)
    assert [tax.percent for tax in ask(there, country, on=eve)] == [Decimal(before)]
    assert [tax.percent for tax in ask(there, country, on=day)] == [Decimal(after)]


def test_nova_scotia_lowered_its_hst() -> None:
    assert short(ask(CANADIAN, "CA", "NS", on=date(2025, 3, 31))) == ["CA-NS HST 15 S"]
    assert short(ask(CANADIAN, "CA", "NS", on=date(2025, 4, 1))) == ["CA-NS HST 14 S"]


def test_the_packaged_rates_know_every_state_of_the_union_and_their_sources() -> None:
    today = {rate.country: rate.percent for rate in CALCULATOR.on(DAY) if rate.region is None}
    assert set(today) >= EU | {"GB", "CH", "NO", "IS", "AU", "NZ", "JP", "SG", "CA"}
    assert all(15 <= today[state] <= 27 for state in EU)  # the least by the Directive, the most that there is
    assert all(rate.source.startswith("https://") for rate in packaged_rates())


def test_in_each_place_one_rate_of_a_name_holds_on_a_day() -> None:
    held: dict[tuple[str, str | None, str], list[DatedRate]] = {}
    for rate in packaged_rates():
        held.setdefault((rate.country, rate.region, rate.name), []).append(rate)
    for series in held.values():
        assert [rate.valid_to for rate in series[:-1]] == [rate.valid_from for rate in series[1:]]
        assert series[-1].valid_to is None


places = st.sampled_from([None, "DE", "FR", "GR", "ES", "GB", "NO", "CH", "US", "CA", "MC", "AU", "BR"])
regions = st.sampled_from([None, "BC", "ON", "CN", "NY"])
numbers = st.sampled_from([None, "FR40303265045", "EL094259216", "GB980780684", "DE136695976"])
registrations = st.lists(
    st.builds(Registration, st.sampled_from(["DE", "FR", "EU", "GB", "US", "CA", "CH"]), regions), max_size=3
)


@given(
    st.builds(TaxSeller, places, regions, registrations.map(tuple)),
    st.builds(TaxCustomer, places, regions, st.none(), numbers, st.booleans()),
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
)
def test_whoever_sells_to_whom(of: TaxSeller, customer: TaxCustomer, on: date) -> None:
    """Total; nought has a reason, a charge has none; a seller in the Union who is registered always states a tax."""
    taxes = decide(Sale(of, customer, on, "EUR"), packaged_rates())
    for tax in taxes:
        assert (tax.percent == 0) == bool(tax.reason)
        assert (tax.percent > 0) == (tax.category == "S")
    assert len({(tax.jurisdiction, tax.name) for tax in taxes}) == len(taxes)
    if not of.registrations:
        assert taxes == ()
    elif of.country in EU and (of.country, of.region) != ("ES", "CN"):
        assert taxes
    if customer.exempt:
        assert all(tax.percent == 0 for tax in taxes)
