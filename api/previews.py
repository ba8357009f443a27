"""How a preview is shown."""

from api.schemas.subscriptions import PreviewLine, PreviewOut, SubscriptionOut
from perennial.domain.subscription.effects import Line
from perennial.engine.previews import Preview


def preview_out(preview: Preview) -> PreviewOut:
    return PreviewOut(
        effective_at=preview.effective_at,
        currency=preview.currency,
        lines=[_line(line) for line in preview.lines],
        subtotal=preview.subtotal,
        discount=preview.discount,
        total=preview.total,
        credit_applied=preview.credit_applied,
        amount_due=preview.amount_due,
        credit_issued=preview.credit_issued,
        next_invoice_at=preview.next_invoice_at,
        next_amount=preview.next_amount,
        subscription=SubscriptionOut.model_validate(preview.view),
    )


def _line(line: Line) -> PreviewLine:
    return PreviewLine(
        kind=line.kind,
        description=line.description,
        quantity=line.quantity,
        amount=line.amount,
        discount=line.discount,
        period_start=line.period.start,
        period_end=line.period.end,
    )
