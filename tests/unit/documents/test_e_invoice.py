"""What EN 16931 says of our e-invoices, by its own schema and rules; and that these rules refuse what is wrong."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.documents.document import Document, DocumentIncomplete, NoEInvoice, Settlement
from perennial.documents.e_invoice import e_invoice
from perennial.documents.validate import violations
from perennial.domain.invoice import TaxRounding
from perennial.domain.pricing import Flat
from perennial.domain.subscription.effects import Line as Priced
from perennial.domain.tax import TaxCategory as C
from tests.unit.documents.examples import BUYER, SELLER, TIERS, VAT, credit_note, document, ordinary, priced, rate

NS = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
}
HOME = replace(BUYER, country="DE", vat_number=None)

SHAPES: dict[str, Document] = {
    "ordinary": document(credit=1_000),
    "paid": document(settlement=Settlement("paid")),
    "collected": document(settlement=Settlement("open"), due=None),
    "no bank": document(seller=replace(SELLER, iban=None, bic=None)),
    "dollars": document(currency="USD"),
    "prices with tax": document(
        [
            priced(11_900, price=Flat(amount=Decimal(119)), off=[("A", 1_190), ("B", 333)], inclusive=True),
            priced(-777, inclusive=True),
        ]
    ),
    "all given away, prices with tax": document([priced(11_900, off=[("ALL", 11_900)], inclusive=True)]),
    "all given away": document([priced(11_900, off=[("ALL", 11_900)])]),
    "both kinds of prices": document([priced(11_900, off=[("A", 900)], inclusive=True), priced(10_000)]),
    "tiers": document([priced(23_798, "API calls", quantity="128450", price=TIERS)]),
    "nothing": document([priced(0)]),
    "rounded by line": document([priced(333) for _ in range(7)], rounding=TaxRounding.LINE),
    "reverse charge": document(rates=[rate(C.REVERSE_CHARGE, reason="Article 196")]),
    "export": document(rates=[rate(C.EXPORT)]),
    "exempt": document(rates=[rate(C.EXEMPT, reason="The customer is exempt from tax")]),
    "exempt, nobody says why": document(rates=[rate(C.EXEMPT)]),
    "zero-rated": document(rates=[rate(C.ZERO)]),
    "a standard rate of nought": document(rates=[rate(C.STANDARD, "0")]),
    "outside the scope": document(rates=[rate(C.OUTSIDE_SCOPE)]),
    "outside, no register": document(rates=[rate(C.OUTSIDE_SCOPE)], seller=replace(SELLER, register_number=None)),
    "no tax at all": document(rates=[]),
    "a fraction of a percent": document(rates=[rate(C.STANDARD, "8.875000")]),
    "yen": document([priced(1_200), priced(-333)], [rate(C.STANDARD, "10")], currency="JPY"),
    "dinars": document(
        [priced(12_340), priced(-330)], [rate(C.STANDARD, "5")], currency="KWD", rounding=TaxRounding.LINE
    ),
    "a number without its country": document(seller=replace(SELLER, vat_number="123 456 788")),
    "a consumer": document(buyer=replace(BUYER, company=None, vat_number=None, email=None)),
    "credit note": credit_note(),
    "credit note, prices with tax": credit_note([priced(3_333, inclusive=True)]),
    "credit note, reverse charge": credit_note(rates=[rate(C.REVERSE_CHARGE)]),
    "hostile words": document(
        [priced(100, "]]></ram:Name><x>&amp;\x01\x0b\ud800 <!-- ${} ' \"")],
        memo="<?xml version='1.0'?>\x00",
        buyer=replace(BUYER, company="R&D <Ltd>"),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_rules_hold(shape: str) -> None:
    assert violations(e_invoice(SHAPES[shape])) == []


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "nl", "pl", "pt", "sv-SE"])
def test_the_rules_hold_in_every_language(language: str) -> None:
    assert violations(e_invoice(document(rates=[rate(C.REVERSE_CHARGE)], locale=language))) == []


def test_two_rates_at_once() -> None:
    """A credit line keeps the rate of the invoice that it corrects."""
    old = document([priced(-5_000)], [rate(C.STANDARD, "16")])
    new = document([priced(10_000)])
    both = replace(
        new,
        lines=(*new.lines, replace(old.lines[0], taxes=(1,))),
        taxes=(*new.taxes, *old.taxes),
        **{name: getattr(new, name) + getattr(old, name) for name in ("subtotal", "net", "tax", "total", "amount_due")},
    )
    assert violations(e_invoice(both)) == []


PARTS = st.builds(
    lambda amount, off, inclusive: priced(amount, off=[("C", min(off, max(amount, 0)))], inclusive=inclusive),
    st.integers(-50_000, 200_000),
    st.integers(0, 60_000),
    st.booleans(),
)


@given(
    lines=st.lists(PARTS, min_size=1, max_size=8).filter(lambda lines: sum(line.charged for line in lines) >= 0),
    percent=st.sampled_from(["19", "7", "5.5", "21", "27", "8.1"]),
    rounding=st.sampled_from(TaxRounding),
)
@settings(max_examples=40, deadline=None)
def test_the_rules_hold_whatever_is_sold(lines: list[Priced], percent: str, rounding: TaxRounding) -> None:
    assert violations(e_invoice(document(lines, [rate(C.STANDARD, percent)], rounding=rounding))) == []


def _changed(xml: bytes, old: bytes, new: bytes) -> list[str]:
    assert xml.count(old) == 1
    return violations(xml.replace(old, new))


def test_a_wrong_total_is_refused() -> None:
    xml = e_invoice(document([priced(10_000)]))
    found = _changed(xml, b"<ram:GrandTotalAmount>119.00<", b"<ram:GrandTotalAmount>119.01<")
    assert any(line.startswith("[BR-CO-15]") for line in found)


def test_a_missing_vat_number_is_refused() -> None:
    xml = e_invoice(document(buyer=HOME))
    number = b'<ram:SpecifiedTaxRegistration>\n          <ram:ID schemeID="VA">DE123456788</ram:ID>'
    found = _changed(xml, number + b"\n        </ram:SpecifiedTaxRegistration>", b"")
    assert any(line.startswith("[BR-S-02]") for line in found)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"<ram:DuePayableAmount>109.00<", b"<ram:DuePayableAmount>119.00<", "[BR-CO-16]"),
        (b"<ram:CalculatedAmount>19.00<", b"<ram:CalculatedAmount>17.00<", "[BR-CO-17]"),
        (b"<ram:BasisAmount>100.00<", b"<ram:BasisAmount>99.00<", "[BR-S-08]"),
        (b">DE123456788<", b">123456788<", "[BR-CO-09]"),
        (b">EUR</ram:InvoiceCurrencyCode>", b">EUX</ram:InvoiceCurrencyCode>", "InvoiceCurrencyCode' is not allowed"),
        (b"<ram:ChargeAmount>100.00<", b"<ram:ChargeAmount>-100.00<", "[BR-27]"),
    ],
)
def test_other_wrongs_are_refused(old: bytes, new: bytes, rule: str) -> None:
    xml = e_invoice(document([priced(10_000)], credit=1_000))
    assert any(rule in line for line in _changed(xml, old, new))


def test_what_is_no_invoice_is_refused_by_the_schema() -> None:
    xml = e_invoice(document())
    assert violations(xml.replace(b"ram:GrandTotalAmount", b"ram:Total"))
    assert violations(b"<a/>")
    assert violations(b"no XML")


def _texts(of: Document, path: str) -> list[str]:
    return [(found.text or "").strip() for found in ET.fromstring(e_invoice(of)).iterfind(f".//{path}", NS)]  # noqa: S314 - our own


def test_what_stands_in_it() -> None:
    of = document(credit=1_000)
    assert _texts(of, "rsm:ExchangedDocument/ram:TypeCode") == ["380"]
    assert _texts(of, "ram:SpecifiedTradeAllowanceCharge/ram:ActualAmount") == ["19.80"]
    assert _texts(of, "ram:SpecifiedTradeAllowanceCharge/ram:Reason") == ["LAUNCH20"]
    assert _texts(of, "ram:TotalPrepaidAmount") == ["10.00"]
    assert _texts(of, "ram:IBANID") == ["DE02120300000000202051"]
    assert _texts(of, "ram:SpecifiedTradeSettlementPaymentMeans/ram:TypeCode") == ["58"]
    # Twelve seats are twelve; tiers and what is taken back are one piece of what they came to.
    assert _texts(of, "ram:BilledQuantity") == ["1", "12", "1", "-1"]
    assert _texts(of, "ram:NetPriceProductTradePrice/ram:ChargeAmount") == ["99", "12", "237.98", "12.50"]
    assert _texts(of, "ram:BuyerTradeParty/ram:PostalTradeAddress/ram:CountryID") == ["FR"]


def test_a_credit_note_names_what_it_corrects() -> None:
    assert _texts(credit_note(), "rsm:ExchangedDocument/ram:TypeCode") == ["381"]
    assert _texts(credit_note(), "ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == ["INV-2026-0042"]


def test_the_reason_for_no_tax_is_told_in_the_language_of_the_customer() -> None:
    of = document(rates=[rate(C.REVERSE_CHARGE)], locale="de")
    assert _texts(of, "ram:ExemptionReason") == ["Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge)."]
    assert _texts(of, "ram:ExemptionReasonCode") == ["VATEX-EU-AE"]


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"seller": replace(SELLER, country=None)}, ("seller.country",)),
        ({"seller": replace(SELLER, vat_number=None)}, ("seller.vat_number",)),
        ({"buyer": replace(BUYER, country=None)}, ("buyer.country",)),
        ({"seller": replace(SELLER, country=None, vat_number=None)}, ("seller.country", "seller.vat_number")),
        (
            {"rates": [rate(C.REVERSE_CHARGE)], "buyer": replace(BUYER, vat_number=None)},
            ("buyer.vat_number",),
        ),
        (
            {"rates": [], "seller": replace(SELLER, vat_number=None, register_number=None)},
            ("seller.register_number",),
        ),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, Any], missing: tuple[str, ...]) -> None:
    with pytest.raises(DocumentIncomplete) as refusal:
        e_invoice(document(**fields))
    assert refusal.value.missing == missing
    assert refusal.value.subject == "inv_1"
    assert all(name in refusal.value.message for name in missing)


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (document([priced(12_345)], [rate(C.STANDARD, "5")], currency="KWD"), "12.345 has more than two digits"),
        (document(rates=[VAT, rate(C.STANDARD, "7")]), "more than one tax"),
        (replace(document(), lines=()), "no lines"),
    ],
)
def test_what_it_cannot_say(of: Document, reason: str) -> None:
    with pytest.raises(NoEInvoice, match=reason):
        e_invoice(of)


def test_what_is_outside_the_scope_stands_alone() -> None:
    mixed = document(ordinary())
    lines = (replace(mixed.lines[0], taxes=()), *mixed.lines[1:])
    with pytest.raises(NoEInvoice, match="no tax beside others"):
        e_invoice(replace(mixed, lines=lines))
    outside = document([priced(100)], [rate(C.OUTSIDE_SCOPE)])
    lines = (*mixed.lines, replace(outside.lines[0], taxes=(1,)))
    with pytest.raises(NoEInvoice, match="outside the scope"):
        e_invoice(replace(mixed, lines=lines, taxes=(*mixed.taxes, *outside.taxes)))


def test_the_same_bytes_every_time() -> None:
    assert e_invoice(document()) == e_invoice(document())
