"""The page: complete in itself, and what people write is text in it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from perennial.documents.html import html
from perennial.documents.view import view
from tests.unit.documents.examples import BUYER, LOGO, SELLER, document, priced


class _Page(HTMLParser):
    """Its elements and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_it_says_what_the_pdf_says() -> None:
    of = document(credit=1_000, memo="Purchase order 4711", footer="Thank you")
    words, shown = _Page(html(of)).words, view(of)
    told = [fact for fact in shown.facts for fact in (fact.label, fact.value)]
    told += [shown.kind, shown.headline.value, shown.state, *shown.notes, *shown.footer, *shown.buyer.lines]
    told += [part for row in shown.rows for part in (row.description, *row.notes, row.unit_price, row.tax, row.amount)]
    told += [part for each in shown.sums for part in (each.label, each.value)]
    assert shown.payment
    told += [shown.payment.text, *(fact.value for fact in shown.payment.account)]
    assert [part for part in told if part not in words] == []


@pytest.mark.parametrize(
    "words", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "&amp;", "' onload='x"]
)
def test_what_people_write_is_text(words: str) -> None:
    of = document(
        [priced(100, words, off=[(words, 10)])],
        memo=words,
        footer=words,
        number=words,
        logo=LOGO,
        buyer=replace(BUYER, company=words, address_line1=words),
        seller=replace(SELLER, name=words, website=words),
    )
    plain, hostile = (
        _Page(html(document([priced(100, off=[("C", 10)])], memo="m", footer="f", logo=LOGO))),
        _Page(html(of)),
    )
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(names) for _, names in hostile.tags] == [sorted(names) for _, names in plain.tags]
    assert hostile.words.count(words) >= 6


def test_it_loads_nothing() -> None:
    page = html(document(logo=LOGO))
    assert "<script" not in page
    assert re.findall(r"(?:https?:)?//", page.replace("http://www.w3.org", "")) == []
    sources = [attributes["src"] for _, attributes in _Page(page).tags if "src" in attributes]
    assert [source[:26] for source in sources if source] == ["data:image/svg+xml;base64,"]


def test_it_can_be_heard() -> None:
    page = _Page(html(document(logo=LOGO, locale="de-AT")))
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "de-AT"}) in page.tags
    assert tags.count("h1") == 1
    assert "main" in tags
    assert next(attributes for tag, attributes in page.tags if tag == "img")["alt"] == "Logo von Perennial Gardens GmbH"
    heads = [attributes.get("scope") for tag, attributes in page.tags if tag == "th"]
    assert set(heads) == {"col", "row"}
