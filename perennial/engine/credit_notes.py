"""Credit notes that somebody asks for: looked at first, then issued by the one writer of the invoice.

The writer is the subscription's workflow, also when it has ended. Invoices of gifts and one-off invoices are looked
after by nobody once they are paid: their credit note is a short workflow of its own. Whoever asks at the same time, row
locks see to it that nothing is given back twice (`perennial.db.repositories.credit_notes`).
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from temporalio.client import WorkflowHandle

from perennial.contracts.activities import Subject
from perennial.contracts.workflows import CREDIT_NOTE, CreditNoteInput
from perennial.db.models import CreditNote, Gift, Invoice, InvoiceLine, OneOffInvoice, Subscription
from perennial.db.repositories import credit_notes, disputes, drafts
from perennial.db.repositories.credit_notes import Given
from perennial.db.repositories.statuses import PAID
from perennial.domain import keys
from perennial.domain.corrections import TakenBack
from perennial.domain.disputes import ChargeDisputed
from perennial.domain.errors import InvalidInput
from perennial.domain.one_off import InvoiceNotPaid, NothingToCredit
from perennial.domain.subscription.commands import Command, CreditInvoice
from perennial.domain.subscription.effects import Credit, CreditedPart, LineKind
from perennial.domain.tax import TaxRate
from perennial.engine import invoices, subscriptions
from perennial.engine.context import Engine, start_workflow, temporal_call
from perennial.engine.runs import ANSWER_TIMEOUT_SECONDS, CommandPending
from perennial.temporal.search_attributes import owned_by


class CreditReason(StrEnum):
    REQUESTED = "requested"
    GOODWILL = "goodwill"
    MISTAKE = "mistake"
    DUPLICATE = "duplicate"
    NOT_DELIVERED = "not_delivered"
    RETURNED = "returned"
    FRAUD = "fraud"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCreditNote:
    """Of the whole invoice, of `amount` (minor units as priced: a tax on top goes back with it), or of `lines`.

    `refund`: back the way it was paid, as far as it was paid through a gateway; else to the credit balance.
    """

    invoice_id: str
    amount: int | None = None
    lines: tuple[CreditedPart, ...] = ()
    refund: bool = True
    reason: CreditReason = CreditReason.REQUESTED
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class PreviewedLine:
    """`taxes` are (position of the invoice's tax, its rate, amount)."""

    position: int
    description: str
    net: int
    tax: int
    taxes: tuple[tuple[int, TaxRate, int], ...]


@dataclass(frozen=True, slots=True)
class CreditPreview:
    """What would be issued now. Minor units; `total` = `net` + `tax` = `refunded` + `credited`."""

    invoice: Invoice
    lines: tuple[PreviewedLine, ...]
    net: int
    tax: int
    total: int
    refunded: int
    credited: int


async def preview(engine: Engine, new: NewCreditNote) -> CreditPreview:
    """Raises what `issue` raises; writes nothing."""

    def look(session: Session) -> CreditPreview:
        asked = _asked(session, new, "preview")
        return _preview(session, asked)

    return await engine.read(look)


async def issue(engine: Engine, new: NewCreditNote, request: invoices.Request) -> str | None:
    """The id of the credit note; None while it is still being issued after ten seconds. The same request gets the
    same one. Of two that are asked for at once the second is given what the first has left.

    Raises:
        NotFound, InvoiceIsDraft: no such invoice.
        InvoiceNotPaid, NothingToCredit: there is nothing to give back.
        ChargeDisputed: the bank has it, or may get it.
        InvalidInput: more than is left; `amount`, or `lines[n]...`, is named.
    """
    asked = await engine.write(lambda session: _prepared(session, new, request.id))
    if asked.invoice.subscription_id:
        done = await _by_subscription(engine, asked, request)
    else:
        done = await _by_itself(engine, asked)
    note_id = keys.document_id("cn", asked.effect.key)
    found = await engine.read(lambda session: session.get(CreditNote, note_id))
    if found is None and done:
        raise NothingToCredit(new.invoice_id)
    return note_id if found else None


@dataclass(frozen=True, slots=True)
class _Asked:
    invoice: Invoice
    effect: Credit
    found: Given


def _prepared(session: Session, new: NewCreditNote, request_id: str) -> _Asked:
    invoice = invoices.require(session, new.invoice_id)
    effect = _effect(invoice, new, request_id)
    if session.scalar(select(CreditNote.id).where(CreditNote.key == effect.key)):
        return _Asked(invoice, effect, credit_notes.given(session, effect))
    asked = _asked(session, new, request_id)
    drafts.write_memo(session, effect.key, new.memo)
    return asked


def _asked(session: Session, new: NewCreditNote, request_id: str) -> _Asked:
    invoice = invoices.require(session, new.invoice_id)
    if invoice.status != PAID:
        raise InvoiceNotPaid(invoice.id, invoice.status)
    if new.amount is not None and new.lines:
        raise InvalidInput("give an amount or lines, not both", field="amount")
    effect = _effect(invoice, new, request_id)
    if disputes.is_open(session, invoice.id):
        raise ChargeDisputed(invoice.id)
    whole = credit_notes.given(session, replace(effect, amount=None, lines=()))
    if not whole.parts and disputes.taken_of_invoices(session, [invoice.id]):
        raise ChargeDisputed(invoice.id)
    if not whole.parts:
        raise NothingToCredit(invoice.id)
    found = credit_notes.given(session, effect)
    if new.amount is not None and new.amount > found.priced:
        raise InvalidInput(f"at most {found.priced} minor units are left to credit", field="amount")
    _check_lines(new.lines, found)
    return _Asked(invoice, effect, found)


def _check_lines(lines: tuple[CreditedPart, ...], found: Given) -> None:
    """Each names another line of the invoice, of which so much is left."""
    places = {line.position: line for line in found.charged.lines}
    given = {part.position: found.priced_of(part) for part in found.parts}
    for n, asked in enumerate(lines):
        if asked.position in (other.position for other in lines[:n]):
            raise InvalidInput(f"names line {asked.position} a second time", field=f"lines[{n}].position")
        if asked.position not in places:
            raise InvalidInput("is no line of the invoice that was charged", field=f"lines[{n}].position")
        left = given.get(asked.position, 0)
        if asked.amount is not None and asked.amount > left:
            raise InvalidInput(
                f"at most {left} minor units of this line are left to credit", field=f"lines[{n}].amount"
            )
        if not left:
            raise InvalidInput("nothing of this line is left to credit", field=f"lines[{n}].position")


def _effect(invoice: Invoice, new: NewCreditNote, request_id: str) -> Credit:
    """The memo stays outside: it is found under the key when the document is written."""
    subject = invoice.subscription_id or invoice.gift_id or invoice.id
    key = keys.credit(subject, request_id)
    return Credit(key, new.reason.value, invoice.currency, (invoice.key,), new.amount, new.refund, new.lines)


def _preview(session: Session, asked: _Asked) -> CreditPreview:
    found, invoice = asked.found, asked.invoice
    wanted = select(InvoiceLine.position, InvoiceLine.description).where(InvoiceLine.invoice_id == invoice.id)
    descriptions = {row.position: row.description for row in session.execute(wanted)}
    refunded = credit_notes.refundable(session, found) if asked.effect.refund else 0
    return CreditPreview(
        invoice,
        tuple(_line(part, descriptions[part.position], found) for part in found.parts),
        net=sum(part.net for part in found.parts),
        tax=sum(part.tax for part in found.parts),
        total=found.total,
        refunded=refunded,
        credited=found.total - refunded,
    )


def _line(part: TakenBack, description: str, found: Given) -> PreviewedLine:
    rates = found.charged.rates
    taxes = tuple((position, rates[part.invoice, position], amount) for position, amount in part.taxes)
    return PreviewedLine(part.position, description, part.net, part.tax, taxes)


async def _by_subscription(engine: Engine, asked: _Asked, request: invoices.Request) -> bool:
    """The running period's share of it is told, so that a later change does not give it back again."""
    subscription, effect = asked.invoice.subscription_id, asked.effect
    assert subscription is not None, asked.invoice.id

    def make(session: Session, _row: Subscription, at: datetime) -> Command:
        return CreditInvoice(
            request_id=request.id,
            at=at,
            actor=request.actor,
            invoice=asked.invoice.key,
            amount=effect.amount,
            lines=effect.lines,
            refund=effect.refund,
            reason=effect.reason,
            recurring=_recurring(session, asked),
        )

    try:
        await subscriptions.command(engine, subscription, "credit_invoice", make)
    except CommandPending:
        return False
    return True


def _recurring(session: Session, asked: _Asked) -> int:
    wanted = select(InvoiceLine.position, InvoiceLine.kind).where(InvoiceLine.invoice_id == asked.invoice.id)
    recurs = {row.position for row in session.execute(wanted) if LineKind(row.kind).recurs}
    return sum(asked.found.priced_of(part) for part in asked.found.parts if part.position in recurs)


async def _by_itself(engine: Engine, asked: _Asked) -> bool:
    invoice = asked.invoice
    subject = Subject(invoice.customer_id, gift_id=invoice.gift_id)
    as_of = await engine.read(lambda session: _edge_time(engine, session, invoice))
    handle = await _start(engine, CreditNoteInput(subject, asked.effect, as_of))
    try:
        await asyncio.wait_for(temporal_call(handle.result()), ANSWER_TIMEOUT_SECONDS)
    except TimeoutError:
        return False
    return True


def _edge_time(engine: Engine, session: Session, invoice: Invoice) -> datetime:
    """Now, or where the test clock stands that the gift or invoice lives on."""
    row = session.get(Gift, invoice.gift_id) if invoice.gift_id else session.get(OneOffInvoice, invoice.id)
    clock = row.test_clock_id if row else None
    return subscriptions.edge_time(engine, session, clock).replace(microsecond=0)


async def _start(engine: Engine, start: CreditNoteInput) -> WorkflowHandle[Any, Any]:
    """One that runs is left alone; one that has ended finds everything done."""
    key, summary = keys.document_id("cn", start.credit.key), f"credit note: {start.credit.reason}"
    return await start_workflow(engine, CREDIT_NOTE, start, key, summary, owned_by(start.subject.customer_id))


async def repair(engine: Engine, note_id: str) -> bool:
    """Start the workflow of a credit note again whose refunds still wait; False if none do, or another one sends them.

    The document is there, so all that is left to do is found under its key.
    """

    def look(session: Session) -> CreditNoteInput | None:
        note = session.get(CreditNote, note_id)
        if note is None or note.subscription_id or not credit_notes.pending(session, note.key):
            return None
        credit = Credit(note.key, note.reason, note.currency, (), None, refund=True)
        return CreditNoteInput(Subject(note.customer_id), credit, note.issued_at)

    start = await engine.read(look)
    if start is None:
        return False
    await _start(engine, start)
    return True
