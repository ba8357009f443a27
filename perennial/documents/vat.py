"""The taxes of a document as EN 16931 sees them: one VAT a line, one sum for each category and rate."""

from dataclasses import dataclass
from decimal import Decimal

from perennial.documents.document import Document, Line, NoEInvoice, Tax
from perennial.domain.tax import TaxCategory

# The reasons that have a code of their own (VATEX).
_CODES = {
    TaxCategory.REVERSE_CHARGE: "VATEX-EU-AE",
    TaxCategory.EXPORT: "VATEX-EU-G",
    TaxCategory.OUTSIDE_SCOPE: "VATEX-EU-O",
}


@dataclass(frozen=True, slots=True)
class Vat:
    """`percent` is None outside the scope of VAT, where there is no rate, not even nought."""

    category: TaxCategory
    percent: Decimal | None

    @property
    def reason_code(self) -> str | None:
        return _CODES.get(self.category)

    @property
    def needs_reason(self) -> bool:
        return self.category not in (TaxCategory.STANDARD, TaxCategory.ZERO)


@dataclass(frozen=True, slots=True)
class VatSum:
    vat: Vat
    base: int
    amount: int
    reason: str


_OUTSIDE = Vat(TaxCategory.OUTSIDE_SCOPE, None)


def vat_of(document: Document, line: Line) -> Vat:
    """Raises NoEInvoice where a line has two taxes at once, or none beside others that have one."""
    if len(line.taxes) > 1:
        raise NoEInvoice(document.id, "a line bears more than one tax, and EN 16931 knows VAT alone")
    if line.taxes:
        return _vat(document.taxes[line.taxes[0]])
    if document.taxes:
        raise NoEInvoice(document.id, "a line bears no tax beside others that do")
    return _OUTSIDE


def vat_sums(document: Document) -> tuple[VatSum, ...]:
    """In the order of the lines.

    Raises:
        NoEInvoice: as `vat_of` does, and where what is outside of VAT stands beside what is not.
    """
    bases: dict[Vat, int] = {}
    for line in document.lines:
        vat = vat_of(document, line)
        bases[vat] = bases.get(vat, 0) + line.net
    if len(bases) > 1 and _OUTSIDE in bases:
        raise NoEInvoice(document.id, "a line outside the scope of VAT stands beside others")
    return tuple(
        VatSum(
            vat,
            base,
            amount=sum(tax.amount for tax in document.taxes if _vat(tax) == vat),
            reason=next((tax.reason for tax in document.taxes if _vat(tax) == vat and tax.reason), ""),
        )
        for vat, base in bases.items()
    )


def _vat(tax: Tax) -> Vat:
    if tax.category is TaxCategory.OUTSIDE_SCOPE:
        return _OUTSIDE
    if tax.category is TaxCategory.STANDARD and not tax.percent:
        return Vat(TaxCategory.ZERO, tax.percent)
    return Vat(tax.category, tax.percent)
