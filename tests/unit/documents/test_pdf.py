"""The PDF: what it says, what it promises (PDF/A-3, PDF/UA), and that nothing people write can break or bend it."""

# ruff: noqa: RUF001 - the figures and words of typesetters
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pypdf import PdfReader

from perennial.documents.document import Document, Party, Settlement
from perennial.documents.e_invoice import e_invoice
from perennial.documents.files import Form, render
from perennial.documents.pdf import pdf, pictures
from perennial.documents.view import view
from perennial.documents.xmp import NotOurPdf, announce
from tests.unit.documents.examples import BUYER, LOGO, SELLER, credit_note, document, ordinary, priced

PNG = b"\x89PNG\r\n\x1a\n"


def read(content: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(content), strict=True)


def text(content: bytes) -> str:
    """Of all pages, with the spaces of typesetters as plain ones."""
    whole = "\n".join(page.extract_text() for page in read(content).pages)
    return re.sub(r"[\u00a0\u2009\u202f]", " ", whole)


def metadata(content: bytes) -> dict[str, str]:
    packet = read(content).trailer["/Root"]["/Metadata"].get_data().decode()
    return dict(re.findall(r"<((?:pdfaid|pdfuaid|fx):\w+)>([^<]*)<", packet))


def tags(content: bytes) -> list[str]:
    """The structure that a screen reader goes through, in its order."""

    def walk(node: Any) -> Iterator[str]:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for kid in node:
                yield from walk(kid)
        elif isinstance(node, dict):
            if "/S" in node:
                yield str(node["/S"])
            if "/K" in node:
                yield from walk(node["/K"])

    return list(walk(read(content).trailer["/Root"]["/StructTreeRoot"]))


def test_it_says_what_there_is_to_say() -> None:
    found = text(pdf(document(credit=1_000, memo="Purchase order 4711", footer="Managing director: Grace Hopper")))
    for words in (
        "Invoice", "INV-2026-0042", "31 January 2026", "2 March 2026", "31 Jan – 27 Feb 2026",
        "Analytical Engines SAS", "Ada Lovelace", "75002 Paris", "France", "VAT no. FR40303265045",
        "Perennial Gardens GmbH", "10969 Berlin", "VAT no. DE123456788", "Register HRB 12345 B",
        "Premium plan", "€99.00", "Discount LAUNCH20", "−€19.80", "Seats", "12", "€12.00", "144.00",
        "up to 10,000: 10,000 included", "10,000 to 50,000: 40,000 × €0.002 = €80.00",
        "above 50,000: 78,450 × €0.00195 = €152.9775", "plus a fee of €5.00", "−12.50",
        "VAT 19%", "Total incl. tax", "Credit applied", "−€10.00", "Amount due", "IBAN", "DE02 1203 0000 0000 2020 51",
        "Purchase order 4711", "Managing director: Grace Hopper", "Page 1 of 1",
    ):  # fmt: skip
        assert words in found, words


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Rechnung", "Rechnung an", "31. Januar 2026", "−19,80 €", "Leistungszeitraum", "Frankreich"]),
        ("fr", ["Facture", "31 janvier 2026", "−19,80 €", "10 000", "Total TTC"]),
        ("es", ["Factura", "31 de enero de 2026", "Base imponible"]),
        ("it", ["Fattura", "31 gennaio 2026", "Imponibile"]),
        ("nl", ["Factuur", "31 januari 2026", "€ −19,80"]),
        ("pl", ["Faktura", "31 stycznia 2026", "−19,80 €"]),
        ("pt", ["Fatura", "31 de janeiro de 2026"]),
        ("de-CH", ["Rechnung", "EUR", "128’450"]),
        ("sv-SE", ["Invoice", "31 January 2026", "128 450"]),
        ("xx-nonsense", ["Invoice", "January 31, 2026"]),
    ],
)
def test_it_speaks_the_language_of_the_customer(language: str, words: list[str]) -> None:
    made = pdf(document(locale=language))
    found = text(made)
    assert [word for word in words if word not in found] == []
    spoken = language.partition("-")[0]
    assert read(made).trailer["/Root"]["/Lang"].startswith(spoken if spoken not in ("sv", "xx") else "en")


@pytest.mark.parametrize(
    ("currency", "figures"),
    [("JPY", ["¥23,798", "9,900"]), ("KWD", ["KWD 23.798", "9.900"]), ("USD", ["US$237.98", "99.00"])],
)
def test_figures_have_the_digits_of_the_currency(currency: str, figures: list[str]) -> None:
    found = text(pdf(document([priced(9_900), priced(13_898)], [], currency=currency)))
    assert [figure for figure in figures if figure not in found] == []


def test_it_keeps_its_promises() -> None:
    of = document(logo=LOGO)
    made = pdf(of, e_invoice(of))
    assert metadata(made) == {
        "pdfaid:part": "3",
        "pdfaid:conformance": "A",
        "pdfuaid:part": "1",
        "fx:DocumentType": "INVOICE",
        "fx:DocumentFileName": "factur-x.xml",
        "fx:Version": "1.0",
        "fx:ConformanceLevel": "EN 16931",
    }
    root = read(made).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert read(made).metadata.title == "Invoice INV-2026-0042"
    (attached,) = root["/AF"]
    assert attached.get_object()["/AFRelationship"] == "/Alternative"
    assert read(made).attachments["factur-x.xml"] == [e_invoice(of)]


def test_it_can_be_heard() -> None:
    heard = tags(pdf(document(logo=LOGO)))
    assert heard.count("/H1") == 1
    assert heard.count("/Figure") == 1
    assert {"/Table", "/THead", "/TH", "/TR", "/TD", "/P"} <= set(heard)
    # The table of lines comes before the sums, the sums before how to pay.
    assert heard.index("/H1") < heard.index("/THead") < heard.index("/H2")


def test_without_an_e_invoice_it_announces_none() -> None:
    made = pdf(document())
    assert not any(name.startswith("fx:") for name in metadata(made))
    assert "/AF" not in read(made).trailer["/Root"]


def test_the_file_has_the_e_invoice_only_if_there_can_be_one() -> None:
    whole, short = document(), document(seller=Party("Perennial"))
    assert read(render(whole, Form.PDF).content).attachments["factur-x.xml"] == [e_invoice(whole)]
    assert dict(read(render(short, Form.PDF).content).attachments) == {}


def test_the_same_bytes_every_time() -> None:
    of = document(logo=LOGO)
    assert pdf(of, e_invoice(of)) == pdf(of, e_invoice(of))


def test_many_lines_go_over_pages_under_their_head() -> None:
    lines = [replace(each, description=f"Position {n + 1}") for n, each in enumerate(ordinary() * 15)]
    made = pdf(document(lines))
    pages = [page.extract_text() for page in read(made).pages]
    assert len(pages) > 3
    for n, page in enumerate(pages):
        assert f"Page {n + 1} of {len(pages)}" in page
        if "Position" in page:
            assert "Unit price" in page
    positions = [int(found) for found in re.findall(r"Position (\d+)", "\n".join(pages))]
    assert positions == list(range(1, 61))
    assert "Amount due" in pages[-1]


def test_long_words_stay_in_their_column() -> None:
    """A word that did not break would run out of the page, and over the figures."""
    found = text(pdf(document([priced(100, "https://example.com/" + "a" * 300)])))
    longest = max(len(line) for line in found.splitlines())
    assert longest < 130
    assert "a" * 300 in found.replace("\n", "")


HOSTILE = [
    '#panic("x")', '#read("/etc/passwd")', "$ x^2 $", "*bold* _it_ `raw` <label> @ref", "= Heading", "// gone",
    "/* gone", "\\u{41}", '#import "@preview/x:1.0.0"', "[#sys.version]", "{page} of {pages} {name}",
    "\"quoted\" 'single' \\", "- item\n+ item", "a#b", "100% & <b>bold</b>", "Page {page}",
]  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE)
def test_what_people_write_is_text(words: str) -> None:
    of = document(
        [priced(100, words)],
        memo=words,
        footer=words,
        buyer=replace(BUYER, company=words, address_line1=words),
        seller=replace(SELLER, name=words, website=words),
        number=words,
    )
    found = " ".join(text(pdf(of)).split())
    shown = " ".join(words.split())
    # Description, memo, footer, both names, address, website, and the number at least once.
    assert found.count(shown) >= 8, found


@pytest.mark.parametrize(
    "words", ["a\x00b\x07c", "\ud800 half", "\ue000 private", "\ufffe none", "\u202e turned", "e\u0301"]
)
def test_what_cannot_be_shown_does_no_harm(words: str) -> None:
    of = document([priced(100, words)], memo=words)
    assert metadata(pdf(of, e_invoice(of)))["pdfuaid:part"] == "1"


def test_a_character_without_a_glyph_does_not_keep_an_invoice_from_being_sent() -> None:
    """U+1F9FF is in no font that this project brings; on a machine that has one it is shown."""
    found = text(pdf(document([priced(100, "Amulet \U0001f9ff and \U00012000 tablet")])))
    assert re.search(r"Amulet .+ and .+ tablet", found)


@pytest.mark.parametrize(
    "logo", [b"", b"no picture", PNG + b"broken", b"<svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>']
)
def test_a_broken_logo_does_not_keep_an_invoice_from_being_sent(logo: bytes) -> None:
    assert "Perennial Gardens GmbH" in text(pdf(document(logo=logo)))


def test_paper_is_that_of_the_country() -> None:
    def width(of: Document) -> float:
        return float(read(pdf(of)).pages[0].mediabox.width)

    assert width(document()) == pytest.approx(595.28, abs=0.1)
    assert width(document(buyer=replace(BUYER, country="US"))) == pytest.approx(612, abs=0.1)


def test_a_credit_note_says_where_the_money_goes() -> None:
    found = text(pdf(credit_note()))
    for words in (
        "Credit note", "CN-2026-0007", "for invoice INV-2026-0042 of 31 January 2026", "Amount credited", "€59.50",
        "€58.50 goes back to your payment method.", "€1.00 is added to your credit balance",
    ):  # fmt: skip
        assert words in found, words
    assert "Amount due" not in found


@pytest.mark.parametrize(
    ("settlement", "words", "not_words"),
    [
        (Settlement("paid", sent=True, closed=date(2026, 2, 9)), "Paid on 9 February 2026", "Please transfer"),
        (Settlement("paid"), "Amount paid", "Amount due"),
        (Settlement("open", sent=True), "due on 2 March 2026", "collected"),
        (Settlement("open"), "collected with your payment method", "IBAN"),
        (Settlement("void", sent=True), "Nothing is owed for it", "Please transfer"),
        (Settlement("void"), "Void", "Amount due"),
        (Settlement("uncollectible", sent=True), "Closed unpaid", "Please transfer"),
    ],
)
def test_it_says_how_things_stand(settlement: Settlement, words: str, not_words: str) -> None:
    found = text(pdf(document(settlement=settlement)))
    assert words in found
    assert not_words not in found


def test_it_can_be_looked_at() -> None:
    made = pictures(document(), ppi=30)
    assert [picture[:8] for picture in made] == [PNG]


@pytest.mark.parametrize(
    "change", [(b"Metadata", b"Metadatb"), (b"\nxref\n", b"\nxrxf\n"), (b"</pdfaExtension", b"</pdfaExtensiox")]
)
def test_the_metadata_of_another_kind_of_file_is_left_alone(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(NotOurPdf):
        announce(pdf(document()).replace(*change))


def test_the_view_holds_the_amount_of_the_page() -> None:
    assert view(document()).headline.value in text(pdf(document()))
