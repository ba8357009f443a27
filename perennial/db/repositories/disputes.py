"""Disputes, booked once for each thing that is told of them, in whatever order it comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute, Session

from perennial.db.models import CreditGrant, CreditNote, Dispute, Invoice, LedgerTransaction, PaymentAttempt, Refund
from perennial.db.repositories import credits, ledger
from perennial.domain import keys
from perennial.domain.disputes import DisputeStatus, given_twice, is_later
from perennial.domain.ledger import (
    Posting,
    dispute_credit_taken,
    dispute_lost,
    dispute_opened,
    dispute_overturned,
    dispute_won,
)

OPEN, WON, LOST = DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST
# What the bank has, or may get.
_TAKEN = (OPEN.value, LOST.value)
_FAILED = "failed"

# Credit that reversed decisions on disputes of a charge have given back: the keys of its grants.
_GIVEN_BACK = (
    select(LedgerTransaction.key)
    .join(Dispute, Dispute.id == LedgerTransaction.subject_id)
    .where(Dispute.attempt_id == bindparam("attempt"), LedgerTransaction.kind == "dispute_overturned")
)


@dataclass(frozen=True, slots=True)
class News:
    """What a gateway says of a dispute. `amount` in minor units; `at` is domain time, `told_at` the gateway's own."""

    gateway: str
    gateway_ref: str
    charge_key: str
    status: DisputeStatus
    amount: int
    currency: str
    reason: str | None
    at: datetime
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """How a dispute stands now, since when (UTC), and whose it is."""

    id: str
    status: DisputeStatus
    at: datetime
    invoice_key: str
    subscription_id: str | None
    told_at: datetime | None = None


def book(session: Session, news: News) -> Booked | None:
    """The dispute with its postings. None when the charge is none of ours.

    With the invoice locked, as whoever refunds locks it: of a refund and a dispute at once the second sees the first.
    """
    attempt = session.scalar(select(PaymentAttempt).where(PaymentAttempt.key == news.charge_key))
    if attempt is None:
        return None
    invoice = session.scalars(select(Invoice).where(Invoice.id == attempt.invoice_id).with_for_update()).one()
    row = _opened(session, news, attempt)
    was = DisputeStatus(row.status)
    later = is_later(news.told_at, row.told_at)
    status = news.status.after(was, later=later)
    if status is was is news.status and later:
        row.told_at = news.told_at
    elif status is not was:
        taken = _credit_taken(session, row, attempt, invoice, news.at) if status is LOST else 0
        posting = _decided(row, status, taken) if was is OPEN else _overturned(session, row, news, taken)
        row.status, row.closed_at, row.told_at, row.credit_taken = status.value, news.at, news.told_at, taken
        ledger.post(session, posting, news.at)
    since = row.closed_at or row.opened_at
    return Booked(row.id, status, since, invoice.key, invoice.subscription_id, row.told_at)


def _opened(session: Session, news: News, attempt: PaymentAttempt) -> Dispute:
    """The row, which is open when it is new: a decision that comes first implies that it was opened."""
    key = keys.dispute(attempt.key, news.gateway_ref)
    dispute_id = keys.document_id("dp", key)
    new = upsert(Dispute).values(
        id=dispute_id,
        key=key,
        gateway=news.gateway,
        gateway_ref=news.gateway_ref,
        attempt_id=attempt.id,
        invoice_id=attempt.invoice_id,
        customer_id=attempt.customer_id,
        amount=news.amount,
        currency=news.currency,
        status=OPEN.value,
        reason=news.reason,
        opened_at=news.at,
    )
    made = session.scalar(new.on_conflict_do_nothing().returning(Dispute.id))
    if made:
        posting = dispute_opened(key, made, news.currency, news.gateway, news.amount)
        ledger.post(session, posting, news.at)
    row = session.get_one(Dispute, dispute_id)
    if row.reason is None and news.reason:
        row.reason = news.reason
    return row


def _decided(row: Dispute, status: DisputeStatus, taken: int) -> Posting:
    if status is WON:
        return dispute_won(row.key, row.id, row.currency, row.gateway, row.amount)
    return dispute_lost(row.key, row.id, row.currency, row.gateway, row.customer_id, row.amount, credit=taken)


def _overturned(session: Session, row: Dispute, news: News, taken: int) -> Posting:
    """The other way round than it was decided before. Credit that was taken with the loss is the customer's again."""
    assert news.told_at is not None, "what is later has an instant"
    key = f"overturned:{row.key}:{news.told_at.isoformat()}"
    won = news.status is WON
    credit = row.credit_taken if won else taken
    if won:
        credits.give(session, row.customer_id, row.currency, credit, key, news.at)
    return dispute_overturned(
        key, row.id, row.currency, row.gateway, row.customer_id, row.amount, won=won, credit=credit
    )


def _credit_taken(session: Session, row: Dispute, attempt: PaymentAttempt, invoice: Invoice, at: datetime) -> int:
    """Credit out of the money that the bank gives the customer is theirs no longer, as far as it is left."""
    refunds = session.scalars(select(Refund).where(Refund.attempt_id == attempt.id)).all()
    if session.scalar(select(CreditGrant.id).where(CreditGrant.key == attempt.key)):
        # It came when the invoice was closed, so all of it had become credit.
        charged, credited, grants = attempt.amount, attempt.amount, [attempt.key]
    else:
        notes = session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).all()
        charged, credited = invoice.total, sum(note.credited for note in notes)
        grants = [note.key for note in notes] + [refund.key for refund in refunds]
    refunded = sum(refund.amount for refund in refunds if refund.status != _FAILED)
    grants += session.scalars(_GIVEN_BACK, {"attempt": attempt.id})
    twice = given_twice(charged=charged, refunded=refunded, credited=credited, lost=row.amount)
    return credits.take_back(session, row.customer_id, row.currency, grants, twice - row.credit_taken, row.id, at)


def take_late_credit(session: Session, refund_key: str, invoice_id: str, at: datetime) -> int:
    """A refund has failed and become credit: what a lost dispute had given already is taken back. The invoice is
    locked.

    Answers how much that was, in minor units.
    """
    total = 0
    refunded = select(Refund.attempt_id).where(Refund.key == refund_key).scalar_subquery()
    of_charge = select(Dispute).where(Dispute.attempt_id == refunded, Dispute.status == LOST.value)
    for row in session.scalars(of_charge.order_by(Dispute.id)).all():
        attempt, invoice = session.get_one(PaymentAttempt, row.attempt_id), session.get_one(Invoice, invoice_id)
        taken = _credit_taken(session, row, attempt, invoice, at)
        row.credit_taken += taken
        total += taken
        key = f"{row.key}:{refund_key}"
        ledger.post(session, dispute_credit_taken(key, row.id, row.currency, row.customer_id, taken), at)
    return total


def taken_of_charges(session: Session, attempt_ids: Sequence[str]) -> dict[str, int]:
    """What the bank has of each charge, or may get: open and lost disputes, minor units."""
    return _sums(session, Dispute.attempt_id, attempt_ids)


def taken_of_invoices(session: Session, invoice_ids: Sequence[str]) -> int:
    """The same of these invoices together."""
    return sum(_sums(session, Dispute.invoice_id, invoice_ids).values())


def is_open(session: Session, invoice_id: str) -> bool:
    wanted = select(Dispute.id).where(Dispute.invoice_id == invoice_id, Dispute.status == OPEN.value)
    return session.scalar(wanted.limit(1)) is not None


def of_subscription(session: Session, subscription_id: str) -> bool:
    """Whether a dispute of any of its charges is open."""
    wanted = (
        select(Dispute.id)
        .join(Invoice, Invoice.id == Dispute.invoice_id)
        .where(Invoice.subscription_id == subscription_id, Dispute.status == OPEN.value)
    )
    return session.scalar(wanted.limit(1)) is not None


def _sums(session: Session, column: InstrumentedAttribute[str], ids: Sequence[str]) -> dict[str, int]:
    statement = (
        select(column, func.sum(Dispute.amount)).where(column.in_(ids), Dispute.status.in_(_TAKEN)).group_by(column)
    )
    return {row[0]: int(row[1]) for row in session.execute(statement)}
