"""What people do to a subscription's invoices: take back, write off, record a payment, credit."""

from dataclasses import replace
from datetime import datetime

from perennial.domain import keys
from perennial.domain.errors import InvoiceNotOpen
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import CloseInvoice, Credit, Decision, Note, Receive
from perennial.domain.subscription.ending import close_invoices
from perennial.domain.subscription.state import Closing, Collection, State


def _require_open(state: State, invoice: str) -> Collection:
    case = state.collection
    if case is None or invoice not in case.open_invoices:
        raise InvoiceNotOpen(invoice)
    return case


def give_up_invoice(state: State, command: c.GiveUpInvoice, at: datetime) -> Decision:
    """The answer says whether it was given up: a payment may have been first. The subscription goes on."""
    case = _require_open(state, command.invoice)
    closing = Closing.WRITE_OFF if command.write_off else Closing.VOID
    status = "uncollectible" if command.write_off else "void"
    note = Note(at, f"invoice_{status}", command.actor, {"invoice": command.invoice})
    if command.invoice != case.invoice:
        return Decision(state, effects=(CloseInvoice(command.invoice, status),), notes=(note,))
    return replace(close_invoices(state, closing), notes=(note,))


def record_payment(state: State, command: c.RecordPayment, at: datetime) -> Decision:
    """It was paid past the gateways. An attempt that is still alive is withdrawn first."""
    case = _require_open(state, command.invoice)
    n = case.attempt + 1 if command.invoice == case.invoice else 1
    if command.invoice == case.invoice:
        state = replace(state, collection=replace(case, attempt=n))
    note = Note(at, "payment_recorded", command.actor, {"invoice": command.invoice, "reference": command.reference})
    return Decision(state, effects=(Receive(command.invoice, n, command.reference),), notes=(note,))


def credit_invoice(state: State, command: c.CreditInvoice, at: datetime) -> Decision:
    """A credit note that somebody asks for. What it gives back of the running period is not given back again."""
    key = keys.credit(state.id, command.request_id)
    credit = Credit(
        key,
        command.reason,
        state.currency,
        (command.invoice,),
        command.amount,
        command.refund,
        command.lines,
        command.memo,
    )
    if command.invoice in state.period_invoices:
        state = replace(state, period_billed=max(0, state.period_billed - command.recurring))
    note = Note(at, "invoice_credited", command.actor, {"invoice": command.invoice, "reason": command.reason})
    return Decision(state, effects=(credit,), notes=(note,))
