"""The words and figures that PDF and page share."""

# ruff: noqa: RUF001 - the figures and words of typesetters
import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.documents import wording as words_of
from perennial.documents.document import Days, Discount, Party
from perennial.documents.formats import formats
from perennial.documents.settlement import grouped
from perennial.documents.shown import Sum
from perennial.documents.view import view
from perennial.documents.wording import LANGUAGES, printable, wording
from perennial.domain.invoice import TaxRounding
from perennial.domain.money import CURRENCIES, Money
from perennial.domain.pricing import Flat
from perennial.domain.tax import TaxCategory as C
from tests.unit.documents.examples import BUYER, VAT, document, priced, rate

TEXTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(words_of._TEXTS.glob("*.json"))}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_says_everything(language: str) -> None:
    """The same keys, and in each text the same values to fill in."""
    holes = {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in TEXTS["en"].items()}
    assert {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in TEXTS[language].items()} == holes
    assert all(TEXTS[language].values())


def test_there_are_at_least_the_languages_that_we_promise() -> None:
    assert {"en", "de", "fr", "es", "it", "nl", "pt", "pl"} <= LANGUAGES
    assert wording("ja")("invoice") == "Invoice"


@given(minor=st.integers(-(10**9), 10**9), currency=st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_keeps_all_its_digits(minor: int, currency: str) -> None:
    """CLDR gives some currencies fewer digits than the books have; no reader may lose any."""
    fmt = formats("de", LANGUAGES)
    major = Money(minor, currency).major
    for shown in (fmt.money(minor, currency), fmt.amount(minor, currency)):
        figure = re.sub(r"[^\d,\N{MINUS SIGN}]", "", shown).replace("\N{MINUS SIGN}", "-").replace(",", ".")
        assert Decimal(figure) == major
        assert Decimal(figure).as_tuple().exponent == major.as_tuple().exponent


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("en-GB", "€1,234.50"),
        ("de", "1.234,50 €"),
        ("fr-FR", "1 234,50 €"),
        ("de-CH", "EUR 1’234.50"),
        ("en-IN", "€1,234.50"),
        ("ja-JP", "€1,234.50"),
        ("sv", "€1,234.50"),
        ("", "€1,234.50"),
        ("../../etc", "€1,234.50"),
    ],
)
def test_amounts_look_as_the_reader_writes_them(tag: str, shown: str) -> None:
    assert re.sub(r"[\u00a0\u202f]", " ", formats(tag, LANGUAGES).money(123_450, "EUR")) == shown


def test_a_price_is_shown_as_fine_as_it_is() -> None:
    fmt = formats("en", LANGUAGES)
    assert fmt.unit_price(Decimal("0.00035"), "USD") == "$0.00035"
    assert fmt.unit_price(Decimal(12), "USD") == "$12.00"
    assert fmt.unit_price(Decimal("0.1"), "JPY") == "¥0.1"
    assert fmt.percent(Decimal("8.875000")) == "8.875%"


def test_days_are_inclusive() -> None:
    fmt = formats("en-GB", LANGUAGES)
    assert fmt.days(Days(date(2026, 1, 31), date(2026, 2, 27))).replace("\u2009", " ") == "31 Jan – 27 Feb 2026"
    assert fmt.days(Days(date(2026, 1, 31), date(2026, 1, 31))) == "31 Jan 2026"


def _sums(sums: tuple[Sum, ...]) -> list[tuple[str, str]]:
    return [(each.label, each.value) for each in sums]


def test_sums_of_prices_without_tax() -> None:
    of = view(document([priced(10_000, off=[("TEN", 1_000)])], credit=500, discounts=(Discount("TEN", 1_000, 250),)))
    assert _sums(of.sums) == [
        ("Subtotal", "€100.00"),
        ("Discount TEN", "−€10.00"),
        ("Net amount", "€90.00"),
        ("VAT 19% on €90.00", "€17.10"),
        ("Total incl. tax", "€107.10"),
        ("Credit applied", "−€5.00"),
        ("Amount due", "€102.10"),
    ]
    assert of.notes == ("€2.50 of discount TEN was left over: there was nothing more to take it off.",)


def test_sums_of_prices_with_tax() -> None:
    of = view(document([priced(11_900, price=Flat(amount=Decimal(119)), inclusive=True)]))
    assert _sums(of.sums) == [
        ("Total incl. tax", "€119.00"),
        ("incl. VAT 19% on €100.00", "€19.00"),
        ("Amount due", "€119.00"),
    ]
    assert (of.rows[0].unit_price, of.rows[0].amount, of.heads.amount) == (
        "€119.00",
        "119.00",
        "Amount incl. tax (EUR)",
    )


def test_where_both_kinds_of_prices_meet_all_amounts_are_without_tax() -> None:
    of = view(document([priced(11_900, inclusive=True, off=[("TEN", 1_000)]), priced(10_000)]))
    assert [row.amount for row in of.rows] == ["91.60", "100.00"]
    assert [label for label, _ in _sums(of.sums)][:2] == ["Net amount", "VAT 19% on €191.60"]


def test_sums_without_any_tax() -> None:
    of = view(document([priced(10_000)], []))
    assert _sums(of.sums) == [("Total", "€100.00"), ("Amount due", "€100.00")]
    assert of.heads.tax == ""


@given(
    amounts=st.lists(st.tuples(st.integers(0, 99_999), st.integers(0, 99_999), st.booleans()), min_size=1, max_size=6),
    rounding=st.sampled_from(TaxRounding),
)
def test_what_is_shown_adds_up(amounts: list[tuple[int, int, bool]], rounding: TaxRounding) -> None:
    """Line by line to the subtotal or net amount, and row by row to what is due."""
    lines = [priced(amount, off=[("C", min(off, amount))], inclusive=tax) for amount, off, tax in amounts]
    of = view(document(lines, [VAT], rounding=rounding, locale="en"))

    def minor(text: str) -> int:
        return int(re.sub(r"[^\d\N{MINUS SIGN}]", "", text).replace("\N{MINUS SIGN}", "-"))

    shown = {each.label: minor(each.value) for each in of.sums}
    offs = sum(value for label, value in shown.items() if label.startswith("Discount"))
    first = next(iter(shown.values()))
    assert sum(minor(row.amount) for row in of.rows) == first
    if any(label.startswith("incl.") for label in shown):
        assert first + offs == shown["Total incl. tax"] == shown["Amount due"]
    else:
        taxes = sum(value for label, value in shown.items() if label.startswith("VAT"))
        total = shown.get("Total incl. tax", shown.get("Total"))
        assert shown["Net amount"] + taxes == total == shown["Amount due"]
        assert first + offs == shown["Net amount"]


@pytest.mark.parametrize(
    ("category", "note"),
    [
        (C.REVERSE_CHARGE, "Reverse charge: VAT is to be accounted for by the recipient."),
        (C.EXEMPT, "Exempt from VAT."),
        (C.EXPORT, "Export of services: no VAT is charged."),
        (C.OUTSIDE_SCOPE, "Not subject to VAT."),
    ],
)
def test_why_there_is_no_tax_is_said(category: C, note: str) -> None:
    assert note in view(document(rates=[rate(category)])).notes


@pytest.mark.parametrize(
    ("party", "lines"),
    [
        (
            Party("A", city="Springfield", region="IL", postal_code="62704", country="US"),
            ("Springfield, IL 62704", "United States"),
        ),
        (Party("A", city="London", postal_code="N1 9GU", country="GB"), ("London N1 9GU", "United Kingdom")),
        (Party("A", city="Paris", postal_code="75002", country="FR"), ("75002 Paris", "France")),
        (Party("A", company="B", country="ZZ"), ("A", "Unknown Region")),
        (Party("A"), ()),
    ],
)
def test_addresses_are_written_as_in_their_country(party: Party, lines: tuple[str, ...]) -> None:
    assert view(document(buyer=party)).buyer.lines == lines


def test_ibans_stand_in_fours_and_garbage_in_nothing() -> None:
    assert grouped("DE02 12030000 0000202051") == "DE02 1203 0000 0000 2020 51"
    assert printable("a\x00b\r\nc\ud800 ") == "a b\nc"


def test_a_coupon_and_a_tax_with_a_field_in_its_name() -> None:
    """Names are filled in as they are, and are not looked through for fields."""
    of = view(
        document(
            [priced(100, off=[("{base}", 10)])],
            [replace(VAT, name="{page} {x}")],
            buyer=replace(BUYER, company="{name}"),
        )
    )
    assert of.sums[1].label == "Discount {base}"
    assert of.sums[3].label.startswith("{page} {x} 19%")
