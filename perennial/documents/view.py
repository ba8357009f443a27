"""A document in the words, figures and days of its reader: what the PDF and the HTML page both show."""

from perennial.documents.addresses import who
from perennial.documents.document import Document, Line
from perennial.documents.formats import Formats, formats
from perennial.documents.rows import line_notes, line_unit_price
from perennial.documents.settlement import corrects, headline, payment, state, terms
from perennial.documents.shown import Fact, Heads, Row, View
from perennial.documents.sums import sums_of
from perennial.documents.wording import LANGUAGES, Wording, printable, wording
from perennial.domain.tax import TaxCategory

_LETTER_PAPER = frozenset({"US", "CA", "MX", "CL", "CO", "PH"})


def view(document: Document) -> View:
    fmt = formats(document.locale, LANGUAGES)
    words = wording(fmt.locale.language)
    kind = words(document.kind.value)
    seller = document.seller
    standing, tone = state(document, fmt, words)
    return View(
        lang=fmt.locale.language,
        region=fmt.locale.territory or "",
        paper="us-letter" if (document.buyer.country or "") in _LETTER_PAPER else "a4",
        title=printable(f"{kind} {document.number}"),
        kind=kind,
        number=printable(document.number),
        corrects=corrects(document, fmt, words),
        headline=headline(document, fmt, words),
        state=standing,
        tone=tone,
        facts=_facts(document, fmt, words),
        seller=who(words("seller"), seller, fmt, words),
        buyer=who(words("buyer"), document.buyer, fmt, words),
        heads=_heads(document, words),
        rows=tuple(_row(document, line, fmt, words) for line in document.lines),
        sums=tuple(sums_of(document, fmt, words)),
        payment=payment(document, fmt, words),
        terms=terms(document, fmt, words),
        notes_title=words("notes"),
        notes=_notes(document, fmt, words),
        footer=_footer(document, words),
        page=words("page"),
        logo_alt=words("logo", name=printable(seller.legal_name)) if document.logo else "",
    )


def _facts(document: Document, fmt: Formats, words: Wording) -> tuple[Fact, ...]:
    facts = [Fact(words("number"), printable(document.number)), Fact(words("issued"), fmt.day(document.issued))]
    if document.settlement.sent and document.due:
        facts.append(Fact(words("due"), fmt.day(document.due)))
    if document.days:
        facts.append(Fact(words("service_period"), fmt.days(document.days)))
    return tuple(facts)


def _heads(document: Document, words: Wording) -> Heads:
    with_tax = document.prices_hold_tax
    return Heads(
        description=words("description"),
        quantity=words("quantity"),
        unit_price=words("unit_price"),
        tax=words("tax") if document.taxes else "",
        amount=f"{words('amount_with_tax' if with_tax else 'amount')} ({document.currency})",
    )


def _row(document: Document, line: Line, fmt: Formats, words: Wording) -> Row:
    percents = [document.taxes[n].percent for n in line.taxes]
    return Row(
        description=printable(line.description),
        notes=line_notes(line, document.currency, fmt, words),
        quantity=fmt.number(line.quantity),
        unit_price=line_unit_price(line, document.currency, fmt),
        tax=" + ".join(fmt.percent(percent) for percent in percents),
        amount=fmt.amount(line.net if document.mixes_prices else line.amount, document.currency),
    )


_TAX_NOTES = {
    TaxCategory.REVERSE_CHARGE: "reverse_charge",
    TaxCategory.EXPORT: "export",
    TaxCategory.OUTSIDE_SCOPE: "outside_scope",
    TaxCategory.EXEMPT: "exempt",
    TaxCategory.ZERO: "zero_rated",
}


def _notes(document: Document, fmt: Formats, words: Wording) -> tuple[str, ...]:
    notes = [words("void_text")] if document.settlement.status == "void" else []
    notes += dict.fromkeys(words(_TAX_NOTES[tax.category]) for tax in document.taxes if tax.category in _TAX_NOTES)
    for part in document.discounts:
        if part.unused:
            left = fmt.money(part.unused, document.currency)
            notes.append(words("unused", amount=left, coupon=printable(part.coupon)))
    if document.memo:
        notes.append(printable(document.memo))
    return tuple(notes)


def _footer(document: Document, words: Wording) -> tuple[str, ...]:
    """Who is liable for the document, then what the seller wants to be said at its foot."""
    seller = document.seller
    legal = [seller.legal_name, seller.website, seller.phone]
    if seller.register_number:
        legal.append(f"{words('register_number')} {seller.register_number}")
    first = " · ".join(printable(part) for part in legal if part)
    return tuple(line for line in (first, printable(document.footer or "")) if line)
