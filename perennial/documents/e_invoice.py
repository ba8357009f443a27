"""The document as an e-invoice: Factur-X in the profile EN 16931 (UN/CEFACT Cross Industry Invoice).

What EN 16931 calls BT-... stands beside the field. Nothing is checked against its rules here; that is
`perennial.documents.validate`.
"""

from typing import Any

from drafthorse.models.accounting import ApplicableTradeTax
from drafthorse.models.document import Document as Factur
from drafthorse.models.note import IncludedNote
from drafthorse.models.party import TaxRegistration
from drafthorse.models.payment import PaymentMeans, PaymentTerms

from perennial.documents.amounts import Amounts
from perennial.documents.document import Document, DocumentIncomplete, Kind, NoEInvoice, Party
from perennial.documents.e_invoice_lines import line_item, plain
from perennial.documents.formats import formats
from perennial.documents.shown import View
from perennial.documents.vat import VatSum, vat_sums
from perennial.documents.view import view
from perennial.documents.wording import LANGUAGES, Wording, printable, wording
from perennial.domain.tax import TaxCategory

PROFILE = "urn:cen.eu:en16931:2017"
_SCHEMA = "FACTUR-X_EN16931"
_TYPE = {Kind.INVOICE: "380", Kind.CREDIT_NOTE: "381"}
_TRANSFER, _SEPA_TRANSFER, _AGREED = "30", "58", "57"
_REASONS = {
    TaxCategory.REVERSE_CHARGE: "reverse_charge",
    TaxCategory.EXPORT: "export",
    TaxCategory.OUTSIDE_SCOPE: "outside_scope",
    TaxCategory.EXEMPT: "exempt",
}


def e_invoice(document: Document) -> bytes:
    """The XML.

    Raises:
        DocumentIncomplete: what EN 16931 demands of seller or buyer has not been entered.
        NoEInvoice: it cannot say what this document says.
    """
    fmt = formats(document.locale, LANGUAGES)
    words = wording(fmt.locale.language)
    sums = vat_sums(document)
    _require(document, sums)
    amounts = Amounts(document.id, document.currency)
    made = Factur()
    made.context.guideline_parameter.id = PROFILE
    _head(made, document)
    _parties(made, document, outside=any(each.vat.percent is None for each in sums))
    for n in range(len(document.lines)):
        made.trade.items.add(line_item(document, n, amounts, fmt, words))
    _settlement(made, document, amounts, view(document))
    for each in sums:
        made.trade.settlement.trade_tax.add(_tax(each, amounts, words))
    xml: bytes = made.serialize(schema=_SCHEMA)
    return xml


def _require(document: Document, sums: tuple[VatSum, ...]) -> None:
    """What no rule of arithmetic can stand in for."""
    if not document.lines:
        raise NoEInvoice(document.id, "it has no lines")
    seller, buyer = document.seller, document.buyer
    categories = {each.vat.category for each in sums}
    missing = [f"{name}.country" for name, party in (("seller", seller), ("buyer", buyer)) if not party.country]
    if categories == {TaxCategory.OUTSIDE_SCOPE}:
        if not (seller.register_number or seller.vat_number):
            missing.append("seller.register_number")
    elif not seller.vat_number:
        missing.append("seller.vat_number")
    if TaxCategory.REVERSE_CHARGE in categories and not buyer.vat_number:
        missing.append("buyer.vat_number")
    if missing:
        raise DocumentIncomplete(document.id, tuple(missing))


def _head(made: Any, document: Document) -> None:
    made.header.id = printable(document.number)  # BT-1
    made.header.type_code = _TYPE[document.kind]  # BT-3
    made.header.issue_date_time = document.issued  # BT-2
    for text in (document.memo, document.footer):
        if text and printable(text):
            made.header.notes.add(IncludedNote(content=printable(text)))  # BT-22


def _parties(made: Any, document: Document, *, outside: bool) -> None:
    """Outside the scope of VAT nobody may be named by a VAT number; the seller's then stands as a plain name of his."""
    agreement, seller, buyer = made.trade.agreement, document.seller, document.buyer
    _party(agreement.seller, seller)
    _party(agreement.buyer, buyer)
    made.trade.delivery.ship_to.name = printable(buyer.legal_name)  # BT-70
    made.trade.delivery.ship_to.address.country_id = buyer.country  # BT-80
    if seller.register_number:
        agreement.seller.legal_organization.id = printable(seller.register_number)  # BT-30
    elif outside and seller.vat_number:
        agreement.seller.id = printable(seller.vat_number)  # BT-29
    if seller.email or seller.phone:
        agreement.seller.contact.person_name = printable(seller.legal_name)  # BT-41
    if seller.phone:
        agreement.seller.contact.telephone.number = printable(seller.phone)  # BT-42
    if seller.email:
        agreement.seller.contact.email.address = printable(seller.email)  # BT-43
    if outside:
        return
    for target, party in ((agreement.seller, seller), (agreement.buyer, buyer)):
        if party.vat_number:
            number = _with_country(printable(party.vat_number), party.country or "")
            target.tax_registrations.add(TaxRegistration(id=("VA", number)))  # BT-31, BT-48


def _party(target: Any, party: Party) -> None:
    target.name = printable(party.legal_name)  # BT-27, BT-44
    address = target.address
    address.country_id = party.country  # BT-40, BT-55
    fields = {
        "line_one": party.address_line1,
        "line_two": party.address_line2,
        "postcode": party.postal_code,
        "city_name": party.city,
        "country_subdivision": party.region,
    }
    for name, value in fields.items():
        if value and printable(value):
            setattr(address, name, printable(value))
    if party.email:
        target.electronic_address.uri_ID = ("EM", printable(party.email))  # BT-34, BT-49


def _with_country(number: str, country: str) -> str:
    """`123456789` as `DE123456789`: EN 16931 wants the country before the number."""
    compact = "".join(number.split())
    return compact if compact[:2].isalpha() else f"{country}{compact}"


def _settlement(made: Any, document: Document, amounts: Amounts, shown: View) -> None:
    settlement = made.trade.settlement
    settlement.payment_reference = printable(document.number)  # BT-83
    settlement.currency_code = document.currency  # BT-5
    settlement.payment_means.add(_means(document))
    if document.days:
        settlement.period.start = document.days.first  # BT-73
        settlement.period.end = document.days.last  # BT-74
    settlement.terms.add(_terms(document, shown))
    for of in document.corrects[:1]:  # drafthorse holds one; the terms name all of them
        settlement.invoice_referenced_document.issuer_assigned_id = printable(of.number)  # BT-25
        settlement.invoice_referenced_document.issue_date_time = of.issued  # BT-26
    total = settlement.monetary_summation
    total.line_total = amounts.of(document.net)  # BT-106
    total.tax_basis_total = amounts.of(document.net)  # BT-109
    total.tax_total = (amounts.of(document.tax), document.currency)  # BT-110
    total.grand_total = amounts.of(document.total)  # BT-112
    if document.credit_applied:
        total.prepaid_total = amounts.of(document.credit_applied)  # BT-113
    total.due_amount = amounts.of(document.amount_due)  # BT-115


def _means(document: Document) -> PaymentMeans:
    seller = document.seller
    means = PaymentMeans()
    if not (document.settlement.sent and seller.iban):
        means.type_code = _AGREED  # BT-81
        return means
    means.type_code = _SEPA_TRANSFER if document.currency == "EUR" else _TRANSFER
    means.payee_account.iban = "".join(seller.iban.split())  # BT-84
    means.payee_account.account_name = printable(seller.legal_name)  # BT-85
    if seller.bic:
        means.payee_institution.bic = printable(seller.bic)  # BT-86
    return means


def _terms(document: Document, shown: View) -> PaymentTerms:
    terms = PaymentTerms()
    terms.description = shown.terms  # BT-20
    if document.kind is Kind.INVOICE:
        terms.due = document.due or document.issued  # BT-9
    return terms


def _tax(of: VatSum, amounts: Amounts, words: Wording) -> ApplicableTradeTax:
    tax = ApplicableTradeTax()
    tax.calculated_amount = amounts.of(of.amount)  # BT-117
    tax.type_code = "VAT"
    tax.basis_amount = amounts.of(of.base)  # BT-116
    tax.category_code = of.vat.category.value  # BT-118
    if of.vat.percent is not None:
        tax.rate_applicable_percent = plain(of.vat.percent)  # BT-119
    if of.vat.needs_reason:
        own = printable(of.reason) if of.vat.category is TaxCategory.EXEMPT else ""
        tax.exemption_reason = own or words(_REASONS[of.vat.category])  # BT-120
        if of.vat.reason_code:
            tax.exemption_reason_code = of.vat.reason_code  # BT-121
    return tax
