"""How credit notes are shown: what goes back of which line, and the taxes with it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from api.invoicing import line_taxes
from api.schemas.documents import CreditNoteLineOut, CreditNoteOut, CreditNotePreviewOut, LineTaxOut
from api.schemas.subscriptions import TaxOut
from perennial.db.models import Correction, CreditNote, InvoiceLine
from perennial.db.repositories.corrections import rates_of
from perennial.domain.tax import TaxRate
from perennial.engine.credit_notes import CreditPreview


def credit_notes(session: Session, rows: Sequence[CreditNote]) -> list[CreditNoteOut]:
    """With their lines and taxes: two queries, however many there are."""
    found: dict[str, list[tuple[Correction, str]]] = defaultdict(list)
    wanted = (
        select(Correction, InvoiceLine.description)
        .join(
            InvoiceLine,
            and_(InvoiceLine.invoice_id == Correction.invoice_id, InvoiceLine.position == Correction.line_position),
        )
        .where(Correction.document_id.in_([row.id for row in rows]))
        .order_by(Correction.document_id, Correction.document_position)
    )
    for part, description in session.execute(wanted):
        found[part.document_id].append((part, description))
    rates = rates_of(session, sorted({part.invoice_id for parts in found.values() for part, _ in parts}))
    names = [name for name in CreditNoteOut.model_fields if name not in ("lines", "taxes")]
    return [
        CreditNoteOut(
            **{name: getattr(row, name) for name in names},
            lines=[_line(part, description) for part, description in found[row.id]],
            taxes=_summed(
                (rates[part.invoice_id, tax["position"]], part.net, tax["amount"])
                for part, _ in found[row.id]
                for tax in part.taxes
            ),
        )
        for row in rows
    ]


def preview_out(preview: CreditPreview) -> CreditNotePreviewOut:
    names = ("net", "tax", "total", "refunded", "credited")
    return CreditNotePreviewOut(
        **{name: getattr(preview, name) for name in names},
        invoice_id=preview.invoice.id,
        currency=preview.invoice.currency,
        lines=[
            CreditNoteLineOut(
                invoice_id=preview.invoice.id,
                line_position=line.position,
                description=line.description,
                net=line.net,
                tax=line.tax,
                total=line.net + line.tax,
                taxes=[LineTaxOut(position=position, amount=amount) for position, _, amount in line.taxes],
            )
            for line in preview.lines
        ],
        taxes=_summed((rate, line.net, amount) for line in preview.lines for _, rate, amount in line.taxes),
    )


def _line(part: Correction, description: str) -> CreditNoteLineOut:
    return CreditNoteLineOut(
        invoice_id=part.invoice_id,
        line_position=part.line_position,
        description=description,
        net=part.net,
        tax=part.tax,
        total=part.net + part.tax,
        taxes=line_taxes(part.taxes),
    )


def _summed(parts: Iterable[tuple[TaxRate, int, int]]) -> list[TaxOut]:
    """By tax, also over several invoices: (rate, net amount, tax)."""
    sums: dict[TaxRate, tuple[int, int]] = {}
    for rate, base, amount in parts:
        before = sums.get(rate, (0, 0))
        sums[rate] = (before[0] + base, before[1] + amount)
    return [
        TaxOut(
            jurisdiction=rate.jurisdiction,
            name=rate.name,
            percent=rate.percent,
            category=rate.category,
            reason=rate.reason,
            base=base,
            amount=amount,
        )
        for rate, (base, amount) in sums.items()
    ]
