"""How a subscription, and what a change of it would cost, is shown."""

from perennial.cli import output
from perennial.cli.output import Column, instant, of
from perennial.contracts.views import SubscriptionView
from perennial.domain.money import Money
from perennial.engine.previews import Preview


def show_view(view: SubscriptionView, *, as_json: bool) -> None:
    if as_json:
        output.print_json(view)
        return
    ahead = {
        "Trial ends": instant(view.trial_end) if view.status == "trialing" else "",
        "Ends": instant(view.cancel_at),
        "Pauses": instant(view.pause_at),
        "Paused since": instant(view.paused_since),
        "Resumes": instant(view.resume_at),
        "Changes": f"{view.scheduled_plan} x {view.scheduled_quantity} on {instant(view.scheduled_at)}"
        if view.scheduled_plan
        else "",
        "Next period": "skipped" if view.skip_next else "",
        "Prepaid periods": str(view.prepaid_periods or ""),
    }
    dunning = f"attempt {view.dunning_attempt}: {view.decline_code}" if view.dunning_attempt else ""
    output.show_record(
        {
            "ID": view.id,
            "Status": f"{view.status}{'' if view.access else ' (no access)'}",
            "Parked since": instant(view.parked_since),
            "Disputes": f"{view.open_disputes} open" if view.open_disputes else "",
            "Customer": view.customer_id,
            "Plan": f"{view.plan} (version {view.plan_version}) x {view.quantity}, {view.currency}",
            "Period": f"{instant(view.period_start)} to {instant(view.period_end)} UTC ({view.timezone})",
            "Next": f"{view.next_due_kind} {instant(view.next_due_at)}" if view.next_due_kind else "",
            **ahead,
            "Dunning": dunning,
            "Dunning policy": view.dunning_policy or "",
            "Add-ons": ", ".join(f"{addon.code} x {addon.quantity}" for addon in view.addons),
            "Coupons": ", ".join(view.coupons),
            "Payment method": view.payment_method_id or "none",
            "Gift": view.gift_id or "",
            "Test clock": view.test_clock_id or "",
            "Ended": f"{instant(view.ended_at)} ({view.end_reason})" if view.ended_at else "",
        }
    )


_LINES = (
    Column("Line", of("description")),
    Column("Quantity", of("quantity"), right=True),
    Column("Amount", lambda row: str(row["amount"]), right=True),
    Column("From", lambda row: instant(row["period"].start)),
    Column("To", lambda row: instant(row["period"].end)),
)


def show_preview(preview: Preview, *, as_json: bool) -> None:
    if as_json:
        output.print_json(preview)
        return
    lines = [
        {
            "description": each.line.description,
            "quantity": each.line.quantity,
            "amount": Money(each.net, preview.currency),
            "period": each.line.period,
        }
        for each in preview.lines
    ]
    if lines:
        output.show_table("Invoiced at once", _LINES, lines)

    def amount(minor: int) -> str:
        return str(Money(minor, preview.currency))

    output.show_record(
        {
            "Effective": instant(preview.effective_at),
            "Tax": amount(preview.tax) if preview.tax else "",
            "Total": amount(preview.total),
            "From credit": amount(preview.credit_applied) if preview.credit_applied else "",
            "Charged now": amount(preview.amount_due),
            "Given back": amount(preview.credit_issued) if preview.credit_issued else "",
            "Next invoice": f"{amount(preview.next_amount or 0)} on {instant(preview.next_invoice_at)}"
            if preview.next_invoice_at
            else "none",
            "Then": f"{preview.view.status}, {preview.view.plan} x {preview.view.quantity}",
        }
    )
