"""What is left of issued lines, and what documents take back of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from perennial.db.models import Correction, Invoice, InvoiceLine, InvoiceTax
from perennial.db.repositories.statuses import VOID
from perennial.domain.corrections import ChargedLine, TakenBack
from perennial.domain.recognition import lies_ahead_until
from perennial.domain.subscription.effects import LineKind
from perennial.domain.tax import TaxCategory, TaxRate


@dataclass(frozen=True, slots=True)
class Charged:
    """Issued lines with what is left of them, and the rate of each (invoice, tax position)."""

    lines: tuple[ChargedLine, ...]
    rates: dict[tuple[str, int], TaxRate]
    ends: dict[tuple[str, int], datetime]
    """Until when the service of a line (invoice, position) lies ahead."""


def charged(session: Session, invoice_ids: Sequence[str], *, recurring: bool) -> Charged:
    """The lines of these invoices, in their order; only those that pay for service ahead if `recurring`.

    The caller holds a lock on the invoices if it means to take something back.
    """
    found = session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id.in_(invoice_ids), InvoiceLine.amount > 0)
        .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
    ).all()
    gone = _taken_back(session, invoice_ids)
    lines = [
        _left_of(line, gone.get((line.invoice_id, line.position), ()))
        for line in found
        if not recurring or LineKind(line.kind).recurs
    ]
    order = {invoice: n for n, invoice in enumerate(invoice_ids)}
    return Charged(
        tuple(sorted(lines, key=lambda line: (order[line.invoice], line.position))),
        rates_of(session, invoice_ids),
        {(line.invoice_id, line.position): lies_ahead_until(LineKind(line.kind), line.period_end) for line in found},
    )


def _left_of(line: InvoiceLine, gone: Iterable[Correction]) -> ChargedLine:
    taxes = {part["position"]: part["amount"] for part in line.taxes}
    net_left, taxes_left = line.net, dict(taxes)
    for correction in gone:
        net_left -= correction.net
        for part in correction.taxes:
            taxes_left[part["position"]] -= part["amount"]
    return ChargedLine(
        line.invoice_id, line.position, line.net, taxes, net_left, taxes_left, inclusive=line.tax_inclusive
    )


def _taken_back(session: Session, invoice_ids: Sequence[str]) -> dict[tuple[str, int], list[Correction]]:
    """What a void invoice took back was never taken back."""
    statement = (
        select(Correction)
        .outerjoin(Invoice, Invoice.id == Correction.document_id)
        .where(Correction.invoice_id.in_(invoice_ids), Invoice.status.is_distinct_from(VOID))
    )
    gone: dict[tuple[str, int], list[Correction]] = {}
    for correction in session.scalars(statement):
        gone.setdefault((correction.invoice_id, correction.line_position), []).append(correction)
    return gone


def rates_of(session: Session, invoice_ids: Sequence[str]) -> dict[tuple[str, int], TaxRate]:
    """By invoice and position of its tax."""
    statement = select(InvoiceTax).where(InvoiceTax.invoice_id.in_(invoice_ids))
    return {
        (tax.invoice_id, tax.position): TaxRate(
            tax.jurisdiction, tax.name, tax.percent, TaxCategory(tax.category), tax.reason
        )
        for tax in session.scalars(statement)
    }


def record(session: Session, document_id: str, parts: Sequence[tuple[int, TakenBack]]) -> None:
    """`parts`: (position in the document, what it takes back there)."""
    if not parts:
        return
    session.execute(
        insert(Correction),
        [
            {
                "document_id": document_id,
                "document_position": position,
                "invoice_id": part.invoice,
                "line_position": part.position,
                "net": part.net,
                "tax": part.tax,
                "taxes": [{"position": tax, "amount": amount} for tax, amount in part.taxes],
            }
            for position, part in parts
        ],
    )
