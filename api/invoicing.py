"""How invoices and their drafts are shown."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.previews import tax_out
from api.schemas.documents import (
    DraftTermsOut,
    InvoiceLineOut,
    InvoiceOut,
    LineDiscountOut,
    LineTaxOut,
    TierOut,
)
from api.schemas.subscriptions import DiscountOut, TaxOut
from perennial.db.models import Invoice, InvoiceLine, InvoiceTax, OneOffInvoice
from perennial.db.repositories.drafts import DELETED
from perennial.documents.tiers import breakdown, unit_price
from perennial.domain.assessment import AssessedLine
from perennial.domain.drafts import REASON
from perennial.domain.errors import NotFound
from perennial.domain.pricing import PricingModel, pricing_model
from perennial.engine import drafts
from perennial.engine.context import Engine

_SHOWN_APART = {"lines", "taxes", "discounts", "draft"}


def invoices(session: Session, rows: Sequence[Invoice]) -> list[InvoiceOut]:
    """With their lines and taxes: two queries, however many there are."""
    ids, currencies = [row.id for row in rows], {row.id: row.currency for row in rows}
    lines: dict[str, list[InvoiceLineOut]] = defaultdict(list)
    wanted = select(InvoiceLine).where(InvoiceLine.invoice_id.in_(ids))
    for line in session.scalars(wanted.order_by(InvoiceLine.invoice_id, InvoiceLine.position)):
        lines[line.invoice_id].append(_line(line, currencies[line.invoice_id]))
    taxes: dict[str, list[TaxOut]] = defaultdict(list)
    of = select(InvoiceTax).where(InvoiceTax.invoice_id.in_(ids)).order_by(InvoiceTax.invoice_id, InvoiceTax.position)
    for tax in session.scalars(of):
        taxes[tax.invoice_id].append(TaxOut.model_validate(tax))
    names = [name for name in InvoiceOut.model_fields if name not in _SHOWN_APART]
    return [
        InvoiceOut(
            **{name: getattr(row, name) for name in names},
            lines=lines[row.id],
            taxes=taxes[row.id],
            discounts=[DiscountOut(**each) for each in row.discounts],
            draft=None,
        )
        for row in rows
    ]


def invoice_drafts(engine: Engine) -> Callable[[Session, Sequence[OneOffInvoice]], list[InvoiceOut]]:
    """Each as it would be issued now."""
    return lambda session, rows: [_draft(drafts.view(engine, session, row)) for row in rows]


def invoice(engine: Engine, session: Session, invoice_id: str) -> InvoiceOut:
    """An invoice, or a draft that is none yet.

    Raises:
        NotFound: there is neither.
    """
    issued = session.get(Invoice, invoice_id)
    if issued is not None:
        return invoices(session, [issued])[0]
    row = session.get(OneOffInvoice, invoice_id)
    if row is None or row.status == DELETED:
        raise NotFound("invoice", invoice_id)
    return _draft(drafts.view(engine, session, row))


def _draft(view: drafts.DraftView) -> InvoiceOut:
    row, result = view.row, view.assessed.result
    return InvoiceOut(
        id=row.id,
        number=None,
        subscription_id=None,
        gift_id=None,
        customer_id=row.customer_id,
        reason=REASON,
        period_start=view.draft.period.start,
        period_end=view.draft.period.end,
        currency=row.currency,
        subtotal=result.subtotal,
        discount=result.discount,
        net=result.net,
        tax=result.tax,
        total=result.total,
        credit_applied=view.credit_applied,
        amount_due=result.total - view.credit_applied,
        status="draft",
        issued_at=None,
        due_at=view.due_at,
        closed_at=None,
        memo=row.memo,
        discounts=[],
        taxes=[tax_out(tax) for tax in result.taxes],
        lines=[_assessed(n, line, row.currency) for n, line in enumerate(result.lines)],
        draft=DraftTermsOut.model_validate(row),
    )


def _line(line: InvoiceLine, currency: str) -> InvoiceLineOut:
    model = pricing_model(line.price) if line.price else None
    names = [name for name in InvoiceLineOut.model_fields if name not in ("unit_price", "discounts", "taxes", "tiers")]
    return InvoiceLineOut(
        **{name: getattr(line, name) for name in names},
        **_priced(model, line.quantity, line.amount, currency),
        discounts=[LineDiscountOut(**part) for part in line.discounts],
        taxes=line_taxes(line.taxes),
    )


def _assessed(position: int, each: AssessedLine, currency: str) -> InvoiceLineOut:
    line = each.line
    return InvoiceLineOut(
        position=position,
        kind=line.kind,
        code=line.code,
        description=line.description,
        quantity=line.quantity,
        amount=line.amount,
        discount=line.discount,
        net=each.net,
        tax=each.tax,
        tax_inclusive=line.tax_inclusive,
        period_start=line.period.start,
        period_end=line.period.end,
        **_priced(line.price, line.quantity, line.amount, currency),
        discounts=[],
        taxes=[LineTaxOut(position=tax, amount=amount) for tax, amount in each.taxes],
    )


def _priced(model: PricingModel | None, quantity: Decimal, amount: int, currency: str) -> dict[str, Any]:
    """A prorated line, or a credit, is no multiple of the price: then neither is shown."""
    return {
        "unit_price": unit_price(model, quantity, amount, currency),
        "tiers": [TierOut.model_validate(row) for row in breakdown(model, quantity, amount, currency)],
    }


def line_taxes(parts: Iterable[Mapping[str, int]]) -> list[LineTaxOut]:
    return [LineTaxOut(position=part["position"], amount=part["amount"]) for part in parts]
