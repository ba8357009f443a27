"""What people do with an invoice that was issued: take it back, write it off, record a payment, try to collect it.

Each is sent to the one writer of the invoice: the workflow of its subscription, or its own if it is a one-off invoice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import Invoice, OneOffInvoice, Subscription
from perennial.db.repositories import drafts
from perennial.db.repositories import invoices as issued_invoices
from perennial.db.repositories.statuses import OPEN, PAID
from perennial.domain.errors import InvalidInput, InvoiceNotOpen, NotFound
from perennial.domain.one_off import GiftInvoice, InvoiceIsDraft, InvoicePaid, OlderInvoiceFirst, PayInvoice
from perennial.domain.subscription.commands import (
    Command,
    GiveUpInvoice,
    RecordPayment,
    RetryPayment,
    SetPaymentMethod,
)
from perennial.engine import budgets, customers, one_off, states, subscriptions
from perennial.engine.context import Engine
from perennial.engine.runs import CommandPending

Make = Callable[[Session, datetime], Command]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`id` makes a repetition harmless."""

    id: str
    actor: str = "api"


async def give_up(engine: Engine, invoice_id: str, request: Request, *, write_off: bool) -> bool:
    """Take an open invoice back (it should never have been), or write it off (a loss).

    False when that still goes on after ten seconds.

    Raises:
        NotFound: no such invoice.
        InvoicePaid: before, or meanwhile.
        InvoiceIsDraft, InvoiceNotOpen, GiftInvoice: nothing has happened.
    """
    invoice = await _open(engine, invoice_id)

    def make(_session: Session, at: datetime) -> Command:
        return GiveUpInvoice(
            request_id=request.id, at=at, actor=request.actor, invoice=invoice.key, write_off=write_off
        )

    done = await _send(engine, invoice, "give_up_invoice", make)
    if (await get(engine, invoice_id)).status == PAID:
        raise InvoicePaid(invoice_id)
    return done


async def record_payment(engine: Engine, invoice_id: str, reference: str, request: Request) -> bool:
    """It was paid in full past the gateways; `reference` finds the payment where it was made. Answers and raises as
    `give_up` does.
    """
    invoice = await _open(engine, invoice_id)

    def make(_session: Session, at: datetime) -> Command:
        return RecordPayment(
            request_id=request.id, at=at, actor=request.actor, invoice=invoice.key, reference=reference
        )

    return await _send(engine, invoice, "record_payment", make)


async def pay(engine: Engine, invoice_id: str, request: Request, payment_method_id: str | None = None) -> bool:
    """Try to collect it now. A decline is no error: the invoice is open afterwards.

    A `payment_method_id` becomes that of the subscription, for the next invoices too.

    Raises:
        InvalidInput: there is no payment method (`payment_method_id`), or it is somebody else's.
        OlderInvoiceFirst: the subscription owes an older one.
        Also what `give_up` raises.
    """
    invoice = await _open(engine, invoice_id)
    if invoice.subscription_id is None:
        return await _send(engine, invoice, "pay", _pay_one_off(invoice, request, payment_method_id))
    name = "set_payment_method" if payment_method_id else "retry_payment"
    return await _send(engine, invoice, name, _pay_of_subscription(invoice, request, payment_method_id))


def _pay_one_off(invoice: Invoice, request: Request, wanted: str | None) -> Make:
    def make(session: Session, at: datetime) -> Command:
        row = session.get_one(OneOffInvoice, invoice.id)
        method = one_off.method_for(session, row, wanted)
        issued = issued_invoices.find(session, invoice.key)
        if issued is not None:
            budgets.check(session, invoice.id, issued, method, at)
        return PayInvoice(request_id=request.id, at=at, actor=request.actor, payment_method_id=method)

    return make


def _pay_of_subscription(invoice: Invoice, request: Request, wanted: str | None) -> Make:
    def make(session: Session, at: datetime) -> Command:
        state = states.current(session, session.get_one(Subscription, invoice.subscription_id))
        case = state.collection
        if case is None or invoice.key not in case.open_invoices:
            raise InvoiceNotOpen(invoice.id)
        if case.invoice != invoice.key:
            raise OlderInvoiceFirst(invoice.id, invoice_id_of(session, case.invoice))
        if wanted:
            method = customers.require_method(session, invoice.customer_id, wanted).id
            return SetPaymentMethod(request_id=request.id, at=at, actor=request.actor, payment_method_id=method)
        if state.payment_method_id is None:
            raise InvalidInput("the subscription has no payment method: name one", field="payment_method_id")
        return RetryPayment(request_id=request.id, at=at, actor=request.actor)

    return make


async def get(engine: Engine, invoice_id: str) -> Invoice:
    """An issued invoice.

    Raises:
        InvoiceIsDraft: it has not been finalised.
        NotFound: there is none.
    """
    return await engine.read(lambda session: require(session, invoice_id))


def require(session: Session, invoice_id: str) -> Invoice:
    row = session.get(Invoice, invoice_id)
    if row is not None:
        return row
    draft = session.get(OneOffInvoice, invoice_id)
    if draft is None or draft.status == drafts.DELETED:
        raise NotFound("invoice", invoice_id)
    raise InvoiceIsDraft(invoice_id)


def invoice_id_of(session: Session, key: str) -> str:
    """The id by the business key, which stays inside."""
    return session.scalar(select(Invoice.id).where(Invoice.key == key)) or key


async def _open(engine: Engine, invoice_id: str) -> Invoice:
    invoice = await get(engine, invoice_id)
    if invoice.status == PAID:
        raise InvoicePaid(invoice_id)
    if invoice.status != OPEN:
        raise InvoiceNotOpen(invoice_id)
    if invoice.gift_id:
        raise GiftInvoice(invoice_id, invoice.gift_id)
    return invoice


async def _send(engine: Engine, invoice: Invoice, name: str, make: Make) -> bool:
    if invoice.subscription_id is None:
        command = await engine.read(lambda session: make(session, _edge_time(engine, session, invoice)))
        return await one_off.send(engine, invoice.id, name, command)
    try:
        await subscriptions.command(engine, invoice.subscription_id, name, lambda session, _row, at: make(session, at))
    except CommandPending:
        return False
    return True


def _edge_time(engine: Engine, session: Session, invoice: Invoice) -> datetime:
    row = session.get_one(OneOffInvoice, invoice.id)
    return subscriptions.edge_time(engine, session, row.test_clock_id)
