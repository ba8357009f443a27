"""Drafts of one-off invoices: made, changed and thrown away as often as one likes, until they are finalised."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, Unpack

from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import Invoice, OneOffInvoice, TestClock
from perennial.db.repositories import credits, drafts
from perennial.db.repositories.assessments import Assessed, assess_draft
from perennial.domain import calendar
from perennial.domain.drafts import CollectBy, DraftLine, check_lines, check_terms
from perennial.domain.errors import NotFound
from perennial.domain.money import exponent
from perennial.domain.one_off import InvoiceFinal
from perennial.domain.subscription.effects import InvoiceDraft
from perennial.engine import customers
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.subscriptions import edge_time


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDraft:
    """`collect` None: sent if the customer has net terms, else charged. `net_days` None: the customer's own.

    `payment_method_id` None: the customer's default method when it is charged.
    """

    customer_id: str
    currency: str
    lines: tuple[DraftLine, ...] = ()
    memo: str | None = None
    collect: CollectBy | None = None
    net_days: int | None = None
    payment_method_id: str | None = None
    test_clock_id: str | None = None
    id: str | None = None


class Change(TypedDict, total=False):
    """What may be changed of a draft; who pays and in which currency may not."""

    lines: tuple[DraftLine, ...]
    memo: str | None
    collect: CollectBy
    net_days: int | None
    payment_method_id: str | None


@dataclass(frozen=True, slots=True)
class DraftView:
    """A draft and what it comes to if it is finalised at `at`. Minor units."""

    row: OneOffInvoice
    draft: InvoiceDraft
    assessed: Assessed
    credit_applied: int
    due_at: datetime | None
    at: datetime


async def create(engine: Engine, new: NewDraft) -> OneOffInvoice:
    """A new draft; nothing is posted and no number is taken.

    Raises:
        InvalidInput, NotFound: what `new` names.
    """
    invoice_id = new.id or new_id("inv")

    def insert(session: Session) -> OneOffInvoice:
        found = session.get(OneOffInvoice, invoice_id)
        if found is not None:
            return found
        customer = customers.require(session, new.customer_id)
        exponent(new.currency)
        collect = new.collect or (CollectBy.CHARGE if customer.net_days is None else CollectBy.SEND)
        row = OneOffInvoice(
            id=invoice_id,
            customer_id=customer.id,
            currency=new.currency,
            lines=drafts.dump_lines(new.lines),
            memo=new.memo,
            collect=collect.value,
            net_days=new.net_days,
            payment_method_id=new.payment_method_id,
            test_clock_id=new.test_clock_id,
            status=drafts.DRAFT,
            created_at=edge_time(engine, session, new.test_clock_id).replace(microsecond=0),
            run_id="",
            step=0,
        )
        _check(session, row)
        session.add(row)
        return row

    return await engine.write(insert)


async def change(engine: Engine, invoice_id: str, **changes: Unpack[Change]) -> OneOffInvoice:
    """Replaces what is named.

    Raises:
        NotFound: no such draft.
        InvoiceFinal: it has been finalised.
    """

    def apply(session: Session) -> OneOffInvoice:
        row = require_draft(session, invoice_id)
        values = dict(changes)
        if "lines" in changes:
            values["lines"] = drafts.dump_lines(changes["lines"])
        if "collect" in changes:
            values["collect"] = changes["collect"].value
            if changes["collect"] is CollectBy.CHARGE:
                values.setdefault("net_days", None)
        for name, value in values.items():
            setattr(row, name, value)
        _check(session, row)
        return row

    return await engine.write(apply)


async def add_line(engine: Engine, invoice_id: str, line: DraftLine) -> OneOffInvoice:
    """One more line at the end. Raises what `change` raises."""

    def append(session: Session) -> OneOffInvoice:
        row = require_draft(session, invoice_id)
        row.lines = drafts.dump_lines([*drafts.load_lines(row), line])
        _check(session, row)
        return row

    return await engine.write(append)


async def delete(engine: Engine, invoice_id: str) -> None:
    """Raises what `change` raises."""

    def mark(session: Session) -> None:
        require_draft(session, invoice_id).status = drafts.DELETED

    await engine.write(mark)


def require_draft(session: Session, invoice_id: str) -> OneOffInvoice:
    """Locked. Raises NotFound, and InvoiceFinal when it is no draft any more (or never was one)."""
    row = session.get(OneOffInvoice, invoice_id, with_for_update=True, populate_existing=True)
    if row is None and session.get(Invoice, invoice_id) is not None:
        raise InvoiceFinal(invoice_id)
    if row is None or row.status == drafts.DELETED:
        raise NotFound("invoice", invoice_id)
    if row.status != drafts.DRAFT:
        raise InvoiceFinal(invoice_id)
    return row


def view(engine: Engine, session: Session, row: OneOffInvoice) -> DraftView:
    """What it would come to now, by today's taxes and with the customer's credit."""
    clock = session.get_one(TestClock, row.test_clock_id) if row.test_clock_id else None
    at = clock.now if clock else engine.clock().replace(microsecond=0)
    draft = drafts.draft_of(row, at)
    assessed = assess_draft(session, engine.taxes, Subject(row.customer_id), draft, at)
    balance = credits.balance(session, row.customer_id, row.currency, at)
    applied = min(balance, assessed.result.total)
    return DraftView(row, draft, assessed, applied, due_at(session, row, at), at)


def due_at(session: Session, row: OneOffInvoice, at: datetime) -> datetime | None:
    """Until when it is to be paid if it is sent at `at`, by the customer's calendar; None: it is charged at once."""
    if row.collect == CollectBy.CHARGE:
        return None
    customer = customers.require(session, row.customer_id)
    days = row.net_days if row.net_days is not None else customer.net_days or 0
    return calendar.add_local_days(at, days, customer.timezone)


def _check(session: Session, row: OneOffInvoice) -> None:
    check_lines(drafts.load_lines(row), row.currency)
    check_terms(CollectBy(row.collect), row.net_days)
    if row.payment_method_id:
        customers.require_method(session, row.customer_id, row.payment_method_id)
