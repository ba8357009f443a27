"""The story of a subscription, gift or one-off invoice: decisions, documents, attempts and messages in one order."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from perennial.db.models import (
    Base,
    CreditNote,
    Dispute,
    Gift,
    Invoice,
    OneOffInvoice,
    OutboxMessage,
    PaymentAttempt,
    Subscription,
    TimelineEntry,
)
from perennial.domain import keys
from perennial.domain.errors import NotFound
from perennial.domain.money import Money
from perennial.engine.context import Engine

_WORDS = {
    "created": "created on plan {plan}, quantity {quantity}",
    "activated": "the first payment is settled: active",
    "period_began": "period {period} began ({kind}), until {until}",
    "payment_failed": "attempt {attempt} failed: {code}",
    "dunning_policy_set": "dunning goes by {policy} from now on",
    "recovered": "everything owed is paid: active again",
    "access_suspended": "the grace period is over: access suspended",
    "unpaid": "dunning has ended without success: unpaid",
    "payment_skipped": "dunning has ended without success: the invoice is given up, the subscription goes on",
    "canceled": "ended ({reason})",
    "expired": "expired ({reason})",
    "pause_scheduled": "will pause on {at}",
    "pause_undone": "will not pause",
    "paused": "paused",
    "resumed": "resumed",
    "dispute_opened": "a charge is disputed ({dispute})",
    "dispute_won": "dispute {dispute} is won",
    "dispute_lost": "dispute {dispute} is lost",
    "frozen": "frozen: nothing is served or charged until the dispute is decided",
    "unfrozen": "no dispute is open any more: it goes on",
    "cancellation_scheduled": "will end on {at}",
    "cancellation_undone": "will not end",
    "reactivated": "reactivated",
    "change_scheduled": "will change to plan {plan}, quantity {quantity}, on {at}",
    "change_undone": "will stay on plan {plan}, quantity {quantity}",
    "plan_changed": "changed to plan {plan}, quantity {quantity}",
    "payment_method_set": "payment method {payment_method}",
    "payment_retried": "payment tried again",
    "payment_event": "the gateway has news of attempt {attempt}",
    "trial_extended": "trial extended until {until}",
    "skip_scheduled": "the next period will be skipped",
    "coupon_applied": "coupon {coupon}",
    "gift_added": "{periods} prepaid periods from gift {gift}",
    "refused": "{command} was refused: {code}",
    "parked": "parked by support: nothing happens by itself",
    "unparked": "unparked; it was parked on {parked_at}",
    "trial_ending": "told that the trial ends on {ends_at}",
    "renewal_reminder": "reminded of the renewal on {ends_at}",
    "gift_ending": "told that the gift ends on {ends_at}",
}


# At one instant a story is told in the order of cause and effect; what is not named here comes last.
_RANK = {
    kind: rank
    for rank, kinds in enumerate(
        (
            ("created", "reactivated", "payment_retried", "payment_method_set", "payment_event"),
            ("dispute_opened", "dispute_won", "dispute_lost"),
            ("resumed", "unfrozen", "plan_changed"),
            ("period_began",),
            ("invoice_issued",),
            ("payment_attempt",),
            ("invoice_paid", "invoice_void", "invoice_uncollectible"),
            ("charge_disputed", "dispute_decided"),
        )
    )
    for kind in kinds
}


_KINDS: tuple[type[Base], ...] = (Subscription, Gift, OneOffInvoice)
_TOLD = ("invoice_issued", "payment_overdue", "payment_failed", "payment_action_required", "receipt")


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is domain time (UTC); `text` says it in words; `data` holds ids, money and codes."""

    at: datetime
    kind: str
    actor: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


async def timeline(engine: Engine, subject_id: str) -> list[Entry]:
    """Oldest first.

    Raises:
        NotFound: nothing that has a story has this id.
    """
    return await engine.read(lambda session: load(session, subject_id))


def load(session: Session, subject_id: str) -> list[Entry]:
    if all(session.get(kind, subject_id) is None for kind in _KINDS):
        raise NotFound("subscription", subject_id)
    entries = [
        *_decisions(session, subject_id),
        *_invoices(session, subject_id),
        *_attempts(session, subject_id),
        *_credit_notes(session, subject_id),
        *_disputes(session, subject_id),
        *_messages(session, subject_id),
    ]
    return sorted(entries, key=lambda entry: (entry.at, _RANK.get(entry.kind, len(_RANK))))


def _decisions(session: Session, subject: str) -> list[Entry]:
    rows = session.scalars(
        select(TimelineEntry)
        .where(TimelineEntry.subject_id == subject)
        .order_by(TimelineEntry.at, TimelineEntry.step, TimelineEntry.position)
    )
    return [Entry(row.at, row.kind, row.actor, in_words(row.kind, row.data), row.data) for row in rows]


def in_words(kind: str, data: dict[str, Any]) -> str:
    words = _WORDS.get(kind, kind.replace("_", " "))
    try:
        return words.format(**data)
    except KeyError:
        return kind.replace("_", " ")


def _invoices(session: Session, subject: str) -> list[Entry]:
    entries = []
    for row in session.scalars(select(Invoice).where(_is_of(subject))):
        data = {"invoice": row.id, "number": row.number, "total": row.total, "currency": row.currency}
        due = Money(row.amount_due, row.currency)
        entries.append(Entry(row.issued_at, "invoice_issued", "engine", f"invoice {row.number} over {due}", data))
        if row.closed_at:
            text = f"invoice {row.number} is {row.status}"
            entries.append(Entry(row.closed_at, f"invoice_{row.status}", "engine", text, data))
    return entries


def _is_of(subject: str) -> ColumnElement[bool]:
    return or_(Invoice.subscription_id == subject, Invoice.gift_id == subject, Invoice.id == subject)


def _attempts(session: Session, subject: str) -> list[Entry]:
    statement = (
        select(PaymentAttempt, Invoice.number)
        .join(Invoice, Invoice.id == PaymentAttempt.invoice_id)
        .where(_is_of(subject))
    )
    entries = []
    for row, number in session.execute(statement):
        outcome = row.status if row.decline_code is None else f"{row.status}: {row.decline_code}"
        text = f"attempt {row.n} at {number} ({row.trigger}) over {Money(row.amount, row.currency)}: {outcome}"
        data = {"payment": row.id, "invoice": row.invoice_id, "status": row.status, "gateway_ref": row.gateway_ref}
        entries.append(Entry(row.finished_at or row.started_at, "payment_attempt", row.gateway, text, data))
    return entries


def _credit_notes(session: Session, subject: str) -> list[Entry]:
    rows = session.scalars(
        select(CreditNote).where(or_(CreditNote.subscription_id == subject, CreditNote.invoice_id == subject))
    )
    return [
        Entry(
            row.issued_at,
            "credit_note_issued",
            "engine",
            f"credit note {row.number} over {Money(row.total, row.currency)}: {Money(row.refunded, row.currency)} "
            f"refunded, {Money(row.credited, row.currency)} to the balance",
            {"credit_note": row.id, "invoice": row.invoice_id},
        )
        for row in rows
    ]


def _disputes(session: Session, subject: str) -> list[Entry]:
    """The money of them; what the subscription made of it is told with its decisions."""
    wanted = select(Dispute, Invoice.number).join(Invoice, Invoice.id == Dispute.invoice_id).where(_is_of(subject))
    entries = []
    for row, number in session.execute(wanted):
        data = {"dispute": row.id, "invoice": row.invoice_id, "payment": row.attempt_id, "gateway_ref": row.gateway_ref}
        amount = Money(row.amount, row.currency)
        text = f"the bank takes {amount} of invoice {number} back ({row.reason or 'no reason given'})"
        entries.append(Entry(row.opened_at, "charge_disputed", row.gateway, text, data))
        if row.closed_at:
            text = f"the bank gives {amount} back" if row.status == "won" else f"{amount} are lost"
            entries.append(Entry(row.closed_at, "dispute_decided", row.gateway, text, data))
    return entries


def _messages(session: Session, subject: str) -> list[Entry]:
    rows = session.scalars(select(OutboxMessage).where(_is_told_of(session, subject)))
    return [
        Entry(
            row.occurred_at,
            "message",
            "engine",
            f"message {row.kind.replace('_', ' ')}: {'delivered' if row.delivered_at else 'waiting'}",
            {"message": row.kind},
        )
        for row in rows
    ]


def _is_told_of(session: Session, subject: str) -> ColumnElement[bool]:
    """Messages of a one-off invoice belong to no subscription: they are found by their keys, which have an index."""
    if session.get(OneOffInvoice, subject) is None:
        return OutboxMessage.subscription_id == subject
    attempts = session.scalars(select(PaymentAttempt.key).where(PaymentAttempt.invoice_id == subject))
    names = [keys.one_off_invoice(subject), *attempts]
    return OutboxMessage.key.in_([keys.notify(kind, name) for kind in _TOLD for name in names])
