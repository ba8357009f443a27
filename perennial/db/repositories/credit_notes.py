"""Credit notes and refunds: never more than was paid, whoever asks at the same time."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import CreditNote, Invoice, PaymentAttempt, Refund
from perennial.db.repositories import invoices, ledger
from perennial.domain import keys
from perennial.domain.ledger import credit_note_issued, refund_failed, refund_sent
from perennial.domain.subscription.effects import Credit

PENDING, SUCCEEDED, FAILED = "pending", "succeeded", "failed"


@dataclass(frozen=True, slots=True)
class PendingRefund:
    """A refund that was promised and not yet confirmed by the gateway. `amount` in minor units."""

    id: str
    key: str
    credit_note_id: str
    customer_id: str
    charge_key: str
    charge_ref: str | None
    amount: int
    currency: str
    gateway: str


@dataclass(frozen=True, slots=True)
class _Refundable:
    attempt_id: str
    amount: int


def issue(session: Session, subject: Subject, effect: Credit, as_of: datetime) -> None:
    """The credit note of this key, once. Nothing is issued when nothing is left to give back."""
    if session.scalar(select(CreditNote.id).where(CreditNote.key == effect.key)):
        return
    paid = _paid(session, effect.invoices, lock=True)
    amount = _amount(session, effect, paid)
    if amount <= 0:
        return
    refunds = _split(session, [invoice for invoice, _ in paid], amount) if effect.refund else []
    refunded = sum(part.amount for part in refunds)
    note_id = keys.document_id("cn", effect.key)
    posting = credit_note_issued(
        effect.key, note_id, effect.currency, subject.customer_id, refunded=refunded, credited=amount - refunded
    )
    ledger.post(session, posting, as_of)
    ledger.add_credit(session, subject.customer_id, effect.currency, amount - refunded)
    session.execute(
        insert(CreditNote).values(
            id=note_id,
            key=effect.key,
            number=invoices.take_number(session, "credit_note", "CN"),
            invoice_id=paid[0][0] if paid else None,
            subscription_id=subject.subscription_id,
            customer_id=subject.customer_id,
            reason=effect.reason,
            currency=effect.currency,
            total=amount,
            refunded=refunded,
            credited=amount - refunded,
            issued_at=as_of,
        )
    )
    for n, part in enumerate(refunds):
        key = keys.refund(effect.key, n)
        session.execute(
            insert(Refund).values(
                id=keys.document_id("re", key),
                key=key,
                credit_note_id=note_id,
                attempt_id=part.attempt_id,
                amount=part.amount,
                currency=effect.currency,
                status=PENDING,
                created_at=as_of,
            )
        )


def amount_of(session: Session, effect: Credit) -> int:
    """What `issue` would give back now, minor units."""
    return max(0, _amount(session, effect, _paid(session, effect.invoices, lock=False)))


def _amount(session: Session, effect: Credit, paid: list[tuple[str, int]]) -> int:
    """Never more than is left of what was paid."""
    left = sum(total for _, total in paid) - _credited(session, [invoice for invoice, _ in paid])
    return left if effect.amount is None else min(effect.amount, left)


def _paid(session: Session, invoice_keys: tuple[str, ...], *, lock: bool) -> list[tuple[str, int]]:
    """Ids and totals of the paid invoices among these, newest first; `lock` bars another credit note."""
    statement = (
        select(Invoice.id, Invoice.total)
        .where(Invoice.key.in_(invoice_keys), Invoice.status == invoices.PAID)
        .order_by(Invoice.issued_at.desc(), Invoice.number.desc())
    )
    return [(row.id, row.total) for row in session.execute(statement.with_for_update() if lock else statement)]


def _credited(session: Session, invoice_ids: list[str]) -> int:
    statement = select(func.coalesce(func.sum(CreditNote.total), 0)).where(CreditNote.invoice_id.in_(invoice_ids))
    return int(session.scalar(statement) or 0)


def _split(session: Session, invoice_ids: list[str], amount: int) -> list[_Refundable]:
    """Which charges give how much back: newest first, each at most what is left of it."""
    parts: list[_Refundable] = []
    for invoice_id in invoice_ids:
        refunded = (
            select(func.coalesce(func.sum(Refund.amount), 0))
            .where(Refund.attempt_id == PaymentAttempt.id, Refund.status != FAILED)
            .scalar_subquery()
        )
        charges = session.execute(
            select(PaymentAttempt.id, PaymentAttempt.amount - refunded).where(
                PaymentAttempt.invoice_id == invoice_id, PaymentAttempt.status == "succeeded"
            )
        )
        for attempt_id, left in charges:
            part = min(int(left), amount)
            if part > 0:
                parts.append(_Refundable(attempt_id, part))
                amount -= part
    return parts


def pending(session: Session, credit_key: str) -> list[PendingRefund]:
    statement = (
        select(
            Refund.id,
            Refund.key,
            Refund.credit_note_id,
            CreditNote.customer_id,
            PaymentAttempt.key,
            PaymentAttempt.gateway_ref,
            Refund.amount,
            Refund.currency,
            PaymentAttempt.gateway,
        )
        .join(CreditNote, CreditNote.id == Refund.credit_note_id)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(CreditNote.key == credit_key, Refund.status == PENDING)
        .order_by(Refund.key)
    )
    return [PendingRefund(*row) for row in session.execute(statement)]


def finish(session: Session, refund: PendingRefund, gateway_ref: str, at: datetime, *, succeeded: bool) -> None:
    """Write the gateway's answer down with its posting, once."""
    changed = session.execute(
        update(Refund)
        .where(Refund.id == refund.id, Refund.status == PENDING)
        .values(status=SUCCEEDED if succeeded else FAILED, gateway_ref=gateway_ref)
        .returning(Refund.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is None:
        return
    if succeeded:
        posting = refund_sent(refund.key, refund.credit_note_id, refund.currency, refund.gateway, refund.amount)
    else:
        posting = refund_failed(refund.key, refund.credit_note_id, refund.currency, refund.customer_id, refund.amount)
        ledger.add_credit(session, refund.customer_id, refund.currency, refund.amount)
        session.execute(
            update(CreditNote)
            .where(CreditNote.id == refund.credit_note_id)
            .values(refunded=CreditNote.refunded - refund.amount, credited=CreditNote.credited + refund.amount)
            .execution_options(synchronize_session=False)
        )
    ledger.post(session, posting, at)
