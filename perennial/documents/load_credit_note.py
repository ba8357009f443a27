"""What a credit note takes back, line by line, with the taxes of the invoices that it corrects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from perennial.db.models import Correction, CreditNote, Invoice, InvoiceLine, InvoiceTax
from perennial.documents.document import Corrected, Days, Line, Tax
from perennial.domain.tax import TaxCategory


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """A part of an invoiced line, positive: what goes back."""

    description: str
    net: int
    tax: int
    taxes: tuple[int, ...]
    tax_inclusive: bool
    start: datetime
    end: datetime

    @property
    def amount(self) -> int:
        """As it was priced."""
        return self.net + self.tax if self.tax_inclusive else self.net

    def line(self, days: Days | None) -> Line:
        return Line(
            self.description,
            Decimal(1),
            self.amount,
            self.net,
            self.tax,
            self.taxes,
            days,
            tax_inclusive=self.tax_inclusive,
        )


@dataclass(frozen=True, slots=True)
class Credited:
    lines: tuple[CreditedLine, ...]
    taxes: tuple[Tax, ...]
    invoices: tuple[tuple[str, datetime], ...]
    """Numbers and instants of issue."""

    def corrects(self, day: Callable[[datetime], date]) -> tuple[Corrected, ...]:
        return tuple(Corrected(number, day(issued)) for number, issued in self.invoices)


def credited(session: Session, note: CreditNote) -> Credited:
    """A credit note from before lines were kept has one, of the whole."""
    found = _found(session, note.id)
    if not found:
        whole = CreditedLine(
            note.reason, note.net, note.tax, (), tax_inclusive=False, start=note.issued_at, end=note.issued_at
        )
        return Credited((whole,), (), _invoices(session, [note.invoice_id] if note.invoice_id else []))
    names = list(dict.fromkeys(correction.invoice_id for correction, _ in found))
    rates = {
        (tax.invoice_id, tax.position): tax
        for tax in session.scalars(select(InvoiceTax).where(InvoiceTax.invoice_id.in_(names)))
    }
    taxes = _Taxes()
    lines = tuple(
        CreditedLine(
            line.description,
            correction.net,
            correction.tax,
            tuple(
                taxes.add(rates[correction.invoice_id, part["position"]], correction.net, part["amount"])
                for part in correction.taxes
            ),
            line.tax_inclusive,
            line.period_start,
            line.period_end,
        )
        for correction, line in found
    )
    return Credited(lines, taxes.summed(), _invoices(session, names))


def _found(session: Session, note: str) -> list[tuple[Correction, InvoiceLine]]:
    statement = (
        select(Correction, InvoiceLine)
        .join(
            InvoiceLine,
            and_(
                InvoiceLine.invoice_id == Correction.invoice_id,
                InvoiceLine.position == Correction.line_position,
            ),
        )
        .where(Correction.document_id == note)
        .order_by(Correction.document_position)
    )
    return [(correction, line) for correction, line in session.execute(statement)]


def _invoices(session: Session, ids: Sequence[str]) -> tuple[tuple[str, datetime], ...]:
    statement = select(Invoice.number, Invoice.id, Invoice.issued_at).where(Invoice.id.in_(ids))
    by_id = {row.id: (row.number or row.id, row.issued_at) for row in session.execute(statement)}
    return tuple(by_id[each] for each in ids if each in by_id)


class _Taxes:
    """The same tax on several invoices is one tax of the credit note."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, Decimal, str, str], list[int]] = {}

    def add(self, of: InvoiceTax, base: int, amount: int) -> int:
        """Answers its position."""
        key = (of.name, of.jurisdiction, of.percent, of.category, of.reason)
        sums = self._sums.setdefault(key, [0, 0])
        sums[0] += base
        sums[1] += amount
        return list(self._sums).index(key)

    def summed(self) -> tuple[Tax, ...]:
        return tuple(
            Tax(name, jurisdiction, percent, TaxCategory(category), base, amount, reason)
            for (name, jurisdiction, percent, category, reason), (base, amount) in self._sums.items()
        )
