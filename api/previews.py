"""How a preview is shown."""

from api.schemas.subscriptions import DiscountOut, PreviewLine, PreviewOut, SubscriptionOut, TaxOut
from perennial.domain.assessment import AssessedLine, AssessedTax
from perennial.engine.previews import Preview


def preview_out(preview: Preview) -> PreviewOut:
    return PreviewOut(
        effective_at=preview.effective_at,
        currency=preview.currency,
        lines=[line_out(line) for line in preview.lines],
        taxes=[tax_out(tax) for tax in preview.taxes],
        discounts=[DiscountOut.model_validate(discount) for discount in preview.discounts],
        subtotal=preview.subtotal,
        discount=preview.discount,
        tax=preview.tax,
        total=preview.total,
        credit_applied=preview.credit_applied,
        amount_due=preview.amount_due,
        credit_issued=preview.credit_issued,
        next_invoice_at=preview.next_invoice_at,
        next_amount=preview.next_amount,
        subscription=SubscriptionOut.model_validate(preview.view),
    )


def line_out(each: AssessedLine) -> PreviewLine:
    line = each.line
    return PreviewLine(
        kind=line.kind,
        description=line.description,
        quantity=line.quantity,
        amount=line.amount,
        discount=line.discount,
        net=each.net,
        tax=each.tax,
        period_start=line.period.start,
        period_end=line.period.end,
    )


def tax_out(each: AssessedTax) -> TaxOut:
    rate = each.rate
    return TaxOut(
        jurisdiction=rate.jurisdiction,
        name=rate.name,
        percent=rate.percent,
        category=rate.category,
        reason=rate.reason,
        base=each.base,
        amount=each.amount,
    )
