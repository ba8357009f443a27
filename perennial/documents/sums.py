"""The rows at the foot of a document; from the first to the last they add up."""

from perennial.documents.document import Document, Kind
from perennial.documents.formats import Formats
from perennial.documents.settlement import headline
from perennial.documents.shown import Sum
from perennial.documents.wording import Wording, printable


def sums_of(document: Document, fmt: Formats, words: Wording) -> list[Sum]:
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
        last = headline(document, fmt, words)
        sums.append(Sum(last.label, last.value, "final"))
    return sums
