"""How things stand: what is to be paid or was, by when and how, and what a credit note gives back."""

from perennial.documents.document import Document, Kind
from perennial.documents.formats import Formats
from perennial.documents.shown import Fact, Payment
from perennial.documents.wording import Wording, printable


def corrects(document: Document, fmt: Formats, words: Wording) -> str:
    named = (words("corrects", number=printable(of.number), date=fmt.day(of.issued)) for of in document.corrects)
    return ", ".join(named)


def headline(document: Document, fmt: Formats, words: Wording) -> Fact:
    if document.kind is Kind.CREDIT_NOTE:
        return Fact(words("amount_credited"), fmt.money(document.total, document.currency))
    match document.settlement.status:
        case "void":
            return Fact(words("total"), fmt.money(document.total, document.currency))
        case "paid" if document.amount_due:
            return Fact(words("amount_paid"), fmt.money(document.amount_due, document.currency))
    return Fact(words("amount_due"), fmt.money(document.amount_due, document.currency))


def state(document: Document, fmt: Formats, words: Wording) -> tuple[str, str]:
    settlement = document.settlement
    if document.kind is Kind.CREDIT_NOTE:
        return corrects(document, fmt, words), "quiet"
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


def payment(document: Document, fmt: Formats, words: Wording) -> Payment | None:
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


def terms(document: Document, fmt: Formats, words: Wording) -> str:
    """How it was to be paid when it was issued, whatever has come of it since."""
    if document.kind is Kind.CREDIT_NOTE:
        return corrects(document, fmt, words) or words("credit_note")
    if document.settlement.sent and document.due:
        return words("due_on", date=fmt.day(document.due))
    return words("collected")


def grouped(iban: str) -> str:
    """In fours, as people read it."""
    plain = "".join(printable(iban).split())
    return " ".join(plain[n : n + 4] for n in range(0, len(plain), 4))
