"""A document in the words, figures and days of its reader: what the PDF and the HTML page both show.

Everything is text by now. Nothing here is markup; the templates put it in as data.
"""

import unicodedata
from dataclasses import dataclass

from perennial.documents.document import Document, Kind, Line, Party
from perennial.documents.formats import Formats, formats
from perennial.documents.rows import line_notes, line_unit_price
from perennial.documents.wording import LANGUAGES, Wording, wording
from perennial.domain.tax import TaxCategory

# Where people write "Springfield, IL 62704", and where the town comes before the code.
_REGION_AND_CODE_LAST = frozenset({"US", "CA", "AU", "MX"})
_CODE_LAST = frozenset({"GB", "IE", "IN", "NZ", "SG", "HK", "ZA"})
_LETTER_PAPER = frozenset({"US", "CA", "MX", "CL", "CO", "PH"})
# C: controls, halves of characters, private and unassigned ones. No font has them, and XML forbids some.
_UNPRINTABLE = ("Cc", "Cs", "Co", "Cn")


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Who:
    label: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """`notes` stand below the description: when, how the price came about, what was taken off."""

    description: str
    notes: tuple[str, ...]
    quantity: str
    unit_price: str
    tax: str
    amount: str


@dataclass(frozen=True, slots=True)
class Sum:
    """`weight`: plain, quiet (a part of what stands above it), strong, or final: what is to be paid."""

    label: str
    value: str
    weight: str = "plain"


@dataclass(frozen=True, slots=True)
class Heads:
    description: str
    quantity: str
    unit_price: str
    tax: str
    amount: str


@dataclass(frozen=True, slots=True)
class Payment:
    title: str
    text: str
    account: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class View:
    """`lang` and `region` as in BCP 47; `tone` of the state: good, due, bad or quiet. An empty text shows nothing."""

    lang: str
    region: str
    paper: str
    title: str
    kind: str
    number: str
    corrects: str
    headline: Fact
    state: str
    tone: str
    facts: tuple[Fact, ...]
    seller: Who
    buyer: Who
    heads: Heads
    rows: tuple[Row, ...]
    sums: tuple[Sum, ...]
    payment: Payment | None
    terms: str
    notes_title: str
    notes: tuple[str, ...]
    footer: tuple[str, ...]
    page: str
    logo_alt: str


def printable(text: str) -> str:
    """Without what no font can show and XML cannot carry; line breaks stay."""
    shown = (c if c == "\n" or unicodedata.category(c) not in _UNPRINTABLE else " " for c in text.replace("\r\n", "\n"))
    return "".join(shown).strip()


def view(document: Document) -> View:
    fmt = formats(document.locale, LANGUAGES)
    words = wording(fmt.locale.language)
    kind = words(document.kind.value)
    seller = document.seller
    state, tone = _state(document, fmt, words)
    return View(
        lang=fmt.locale.language,
        region=fmt.locale.territory or "",
        paper="us-letter" if (document.buyer.country or "") in _LETTER_PAPER else "a4",
        title=printable(f"{kind} {document.number}"),
        kind=kind,
        number=printable(document.number),
        corrects=_corrects(document, fmt, words),
        headline=_headline(document, fmt, words),
        state=state,
        tone=tone,
        facts=_facts(document, fmt, words),
        seller=_who(words("seller"), seller, fmt, words),
        buyer=_who(words("buyer"), document.buyer, fmt, words),
        heads=_heads(document, words),
        rows=tuple(_row(document, line, fmt, words) for line in document.lines),
        sums=tuple(_sums(document, fmt, words)),
        payment=_payment(document, fmt, words),
        terms=_terms(document, fmt, words),
        notes_title=words("notes"),
        notes=_notes(document, fmt, words),
        footer=_footer(document, words),
        page=words("page"),
        logo_alt=words("logo", name=printable(seller.legal_name)) if document.logo else "",
    )


def _corrects(document: Document, fmt: Formats, words: Wording) -> str:
    named = (words("corrects", number=printable(of.number), date=fmt.day(of.issued)) for of in document.corrects)
    return ", ".join(named)


def _headline(document: Document, fmt: Formats, words: Wording) -> Fact:
    if document.kind is Kind.CREDIT_NOTE:
        return Fact(words("amount_credited"), fmt.money(document.total, document.currency))
    match document.settlement.status:
        case "void":
            return Fact(words("total"), fmt.money(document.total, document.currency))
        case "paid" if document.amount_due:
            return Fact(words("amount_paid"), fmt.money(document.amount_due, document.currency))
    return Fact(words("amount_due"), fmt.money(document.amount_due, document.currency))


def _state(document: Document, fmt: Formats, words: Wording) -> tuple[str, str]:
    settlement = document.settlement
    if document.kind is Kind.CREDIT_NOTE:
        return _corrects(document, fmt, words), "quiet"
    match settlement.status:
        case "void":
            return words("void"), "bad"
        case "uncollectible":
            return words("uncollectible"), "bad"
        case _ if not document.amount_due:
            return words("nothing_due"), "good"
        case "paid":
            on = settlement.closed
            return (words("paid_on", date=fmt.day(on)) if on else words("paid")), "good"
    if settlement.sent and document.due:
        return words("due_on", date=fmt.day(document.due)), "due"
    return words("collected"), "due"


def _facts(document: Document, fmt: Formats, words: Wording) -> tuple[Fact, ...]:
    facts = [Fact(words("number"), printable(document.number)), Fact(words("issued"), fmt.day(document.issued))]
    if document.settlement.sent and document.due:
        facts.append(Fact(words("due"), fmt.day(document.due)))
    if document.days:
        facts.append(Fact(words("service_period"), fmt.days(document.days)))
    return tuple(facts)


def _who(label: str, party: Party, fmt: Formats, words: Wording) -> Who:
    lines = [party.name if party.company else None, party.address_line1, party.address_line2, *_town(party)]
    lines.append(fmt.country(party.country) if party.country else None)
    lines.append(party.email)
    if party.vat_number:
        lines.append(f"{words('vat_number')} {party.vat_number}")
    shown = tuple(text for line in lines if line and (text := printable(line)))
    return Who(label, printable(party.legal_name), shown)


def _town(party: Party) -> tuple[str | None, ...]:
    code, city, region = party.postal_code or "", party.city or "", party.region or ""
    if party.country in _REGION_AND_CODE_LAST:
        return (", ".join(part for part in (city, f"{region} {code}".strip()) if part),)
    if party.country in _CODE_LAST:
        return (f"{city} {code}".strip(), region)
    return (f"{code} {city}".strip(),)


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


def _sums(document: Document, fmt: Formats, words: Wording) -> list[Sum]:
    def money(minor: int) -> str:
        return fmt.money(minor, document.currency)

    gross = document.prices_hold_tax
    sums = []
    if document.discount and not document.mixes_prices:
        sums.append(Sum(words("subtotal"), money(document.subtotal)))
        named = [part for part in document.discounts if part.amount]
        if sum(part.amount for part in named) == document.discount:
            sums += [Sum(words("discount", coupon=printable(part.coupon)), money(-part.amount)) for part in named]
        else:
            sums.append(Sum(words("discounts"), money(-document.discount)))
    on, of = words("tax_within" if gross else "tax_on"), document.taxes
    taxes = [
        Sum(
            on.format(name=printable(tax.name), percent=fmt.percent(tax.percent), base=money(tax.base)),
            money(tax.amount),
            "quiet" if gross else "plain",
        )
        for tax in of
    ]
    if gross:
        sums += [Sum(words("total_with_tax"), money(document.total), "strong"), *taxes]
    else:
        if of:
            sums.append(Sum(words("net"), money(document.net)))
        sums += [*taxes, Sum(words("total_with_tax" if document.tax else "total"), money(document.total), "strong")]
    if document.kind is Kind.CREDIT_NOTE:
        return sums
    if document.credit_applied:
        sums.append(Sum(words("credit_applied"), money(-document.credit_applied)))
    if document.settlement.status != "void":
        last = _headline(document, fmt, words)
        sums.append(Sum(last.label, last.value, "final"))
    return sums


def _payment(document: Document, fmt: Formats, words: Wording) -> Payment | None:
    settlement, seller = document.settlement, document.seller
    if document.kind is Kind.CREDIT_NOTE:
        ways = (("refunded", settlement.refunded), ("credited", settlement.credited))
        told = [words(key, amount=fmt.money(minor, document.currency)) for key, minor in ways if minor]
        return Payment(words("payment"), " ".join(told), ()) if told else None
    is_wanted = settlement.status == "open" and settlement.sent and document.due and document.amount_due
    if not is_wanted or not document.due:
        return None
    due = fmt.money(document.amount_due, document.currency)
    text = words("transfer", amount=due, date=fmt.day(document.due), number=printable(document.number))
    if not seller.iban:
        return Payment(words("payment"), text, ())
    account = [Fact(words("account_holder"), printable(seller.legal_name)), Fact(words("iban"), grouped(seller.iban))]
    if seller.bic:
        account.append(Fact(words("bic"), printable(seller.bic)))
    account.append(Fact(words("reference"), printable(document.number)))
    return Payment(words("payment"), text, tuple(account))


def _terms(document: Document, fmt: Formats, words: Wording) -> str:
    """How it was to be paid when it was issued, whatever has come of it since."""
    if document.kind is Kind.CREDIT_NOTE:
        return _corrects(document, fmt, words) or words("credit_note")
    if document.settlement.sent and document.due:
        return words("due_on", date=fmt.day(document.due))
    return words("collected")


def grouped(iban: str) -> str:
    """In fours, as people read it."""
    plain = "".join(printable(iban).split())
    return " ".join(plain[n : n + 4] for n in range(0, len(plain), 4))


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
