"""Credit notes and refunds: never more than was paid, whoever asks at the same time."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import CreditNote, Invoice, PaymentAttempt, Refund
from perennial.db.repositories import corrections, credits, disputes, drafts, ledger, numbers, records, tax
from perennial.db.repositories.corrections import Charged
from perennial.db.repositories.statuses import OUTSIDE, PAID
from perennial.domain import keys
from perennial.domain.corrections import TakenBack, part_of, take_back, within
from perennial.domain.ledger import Worth, credit_note_issued, refund_failed, refund_returned, refund_sent
from perennial.domain.subscription.effects import Credit, Message
from perennial.ports import RefundResult, RefundStatus

PENDING, SUCCEEDED, FAILED = "pending", "succeeded", "failed"


@dataclass(frozen=True, slots=True)
class PendingRefund:
    """A refund whose outcome may still change: promised and not yet confirmed, or sent and able to come back.

    `amount` in minor units.
    """

    id: str
    key: str
    credit_note_id: str
    customer_id: str
    subscription_id: str | None
    invoice_id: str
    charge_key: str
    charge_ref: str | None
    amount: int
    currency: str
    gateway: str
    gateway_ref: str | None = None


@dataclass(frozen=True, slots=True)
class _Refundable:
    attempt_id: str
    amount: int


def issue(session: Session, subject: Subject, effect: Credit, as_of: datetime) -> str | None:
    """The credit note of this key, once; its number. None is issued when nothing is left to give back."""
    if found := session.execute(select(CreditNote.number).where(CreditNote.key == effect.key)).first():
        known: str | None = found.number
        return known
    given = _given(session, effect, lock=True)
    if not given.parts:
        return None
    refunds = _split(session, given.invoices, given.total) if effect.refund else []
    refunded = sum(part.amount for part in refunds)
    credited = given.total - refunded
    note_id = keys.document_id("cn", effect.key)
    posting = credit_note_issued(
        effect.key,
        note_id,
        effect.currency,
        subject.customer_id,
        refunded=refunded,
        credited=credited,
        worth=given.worth(as_of),
    )
    ledger.post(session, posting, as_of)
    credits.give(session, subject.customer_id, effect.currency, credited, effect.key, as_of)
    _, parties = tax.sale_for(session, subject.customer_id, effect.currency, as_of)
    number = numbers.take(session, numbers.CREDIT_NOTE, parties.numbering, as_of)
    session.execute(
        insert(CreditNote).values(
            id=note_id,
            key=effect.key,
            number=number,
            invoice_id=given.parts[0].invoice,
            subscription_id=subject.subscription_id,
            customer_id=subject.customer_id,
            reason=effect.reason,
            currency=effect.currency,
            net=sum(part.net for part in given.parts),
            tax=sum(part.tax for part in given.parts),
            total=given.total,
            refunded=refunded,
            credited=credited,
            issued_at=as_of,
            buyer=parties.buyer,
            seller=parties.seller,
            memo=effect.memo or drafts.memo_of(session, effect.key),
        )
    )
    corrections.record(session, note_id, list(enumerate(given.parts)))
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
    return number


def given(session: Session, effect: Credit) -> "Given":
    """What `issue` would give back now. Writes and locks nothing."""
    return _given(session, effect, lock=False)


def refundable(session: Session, found: "Given") -> int:
    """How much of it can go back the way it was paid, minor units; the rest can only go to the balance."""
    return sum(part.amount for part in _split(session, found.invoices, found.total))


@dataclass(frozen=True, slots=True)
class Given:
    """What a credit note takes back of which paid invoices (newest first)."""

    invoices: list[str]
    parts: tuple[TakenBack, ...]
    charged: Charged

    @property
    def total(self) -> int:
        return sum(part.total for part in self.parts)

    @property
    def priced(self) -> int:
        """As the lines are priced: without a tax that comes on top."""
        return sum(self.priced_of(part) for part in self.parts)

    def priced_of(self, part: TakenBack) -> int:
        inclusive = {(line.invoice, line.position): line.inclusive for line in self.charged.lines}
        return part.total if inclusive[part.invoice, part.position] else part.net

    def worth(self, as_of: datetime) -> Worth:
        ends, rates = self.charged.ends, self.charged.rates
        ahead = sum(part.net for part in self.parts if ends[part.invoice, part.position] > as_of)
        taxes: dict[str, int] = {}
        for part in self.parts:
            for position, amount in part.taxes:
                place = rates[part.invoice, position].jurisdiction
                taxes[place] = taxes.get(place, 0) + amount
        return Worth(ahead, sum(part.net for part in self.parts) - ahead, taxes)


def _given(session: Session, effect: Credit, *, lock: bool) -> Given:
    """Never more than is left of the lines, and of what was paid for these invoices together."""
    paid = _paid(session, effect.invoices, lock=lock)
    ids = [invoice for invoice, _ in paid]
    charged = corrections.charged(session, ids, recurring=effect.recurring)
    left = sum(total for _, total in paid) - _credited(session, ids) - disputes.taken_of_invoices(session, ids)
    if effect.lines:
        wanted = {part.position: part.amount for part in effect.lines}
        parts = tuple(
            part_of(line, wanted[line.position])
            for line in charged.lines
            if line.invoice == ids[0] and line.position in wanted and line.left > 0
        )
    else:
        parts = take_back(charged.lines, effect.amount)
    return Given(ids, within(charged.lines, parts, left), charged)


def _paid(session: Session, invoice_keys: tuple[str, ...], *, lock: bool) -> list[tuple[str, int]]:
    """Ids and totals of the paid invoices among these, newest first; `lock` bars another credit note."""
    statement = (
        select(Invoice.id, Invoice.total)
        .where(Invoice.key.in_(invoice_keys), Invoice.status == PAID)
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
                PaymentAttempt.invoice_id == invoice_id,
                PaymentAttempt.status == "succeeded",
                PaymentAttempt.gateway != OUTSIDE,
            )
        ).all()
        disputed = disputes.taken_of_charges(session, [attempt_id for attempt_id, _ in charges])
        for attempt_id, left in charges:
            part = min(int(left) - disputed.get(attempt_id, 0), amount)
            if part > 0:
                parts.append(_Refundable(attempt_id, part))
                amount -= part
    return parts


def pending(session: Session, credit_key: str) -> list[PendingRefund]:
    """Those of a credit note that have no outcome yet."""
    return _found(session, Refund.status == PENDING, CreditNote.key == credit_key)


def standing_of_charge(session: Session, gateway: str, charge_key: str) -> list[PendingRefund]:
    """Those of a charge that have not failed, at the gateway where it was made: what has been sent can come back."""
    return _found(session, Refund.status != FAILED, PaymentAttempt.key == charge_key, PaymentAttempt.gateway == gateway)


def in_hand(session: Session, after: str, limit: int) -> list[PendingRefund]:
    """Those that a gateway has said to be pending, by key; `after` is the last key of the page before."""
    in_hand = (Refund.status == PENDING, Refund.gateway_ref.is_not(None))
    return _found(session, *in_hand, Refund.key > after, limit=limit)


def _found(session: Session, *of: ColumnElement[bool], limit: int | None = None) -> list[PendingRefund]:
    statement = (
        select(
            Refund.id,
            Refund.key,
            Refund.credit_note_id,
            CreditNote.customer_id,
            CreditNote.subscription_id,
            PaymentAttempt.invoice_id,
            PaymentAttempt.key,
            PaymentAttempt.gateway_ref,
            Refund.amount,
            Refund.currency,
            PaymentAttempt.gateway,
            Refund.gateway_ref,
        )
        .join(CreditNote, CreditNote.id == Refund.credit_note_id)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(*of)
        .order_by(Refund.key)
        .limit(limit)
    )
    return [PendingRefund(*row) for row in session.execute(statement)]


def answer(session: Session, refund: PendingRefund, told: RefundResult, at: datetime) -> bool:
    """Write down what the gateway says of a refund, and whether that is an end that was not known; else only what it
    is called there.
    """
    if told.status is not RefundStatus.PENDING:
        return finish(session, refund, told.gateway_ref, at, succeeded=told.status is RefundStatus.SUCCEEDED)
    if refund.gateway_ref != told.gateway_ref:
        session.execute(
            update(Refund)
            .where(Refund.id == refund.id, Refund.status == PENDING)
            .values(gateway_ref=told.gateway_ref)
            .execution_options(synchronize_session=False)
        )
    return False


def finish(session: Session, refund: PendingRefund, gateway_ref: str, at: datetime, *, succeeded: bool) -> bool:
    """Write the gateway's answer down with its posting, once; False if it was known.

    One that failed becomes credit, also after it had been sent: a failure is the gateway's last word. The invoice is
    locked meanwhile: a dispute that is lost at once sees it, or is seen.
    """
    if not succeeded:
        session.execute(select(Invoice.id).where(Invoice.id == refund.invoice_id).with_for_update())
    was = session.scalar(select(Refund.status).where(Refund.id == refund.id).with_for_update())
    if was not in ((PENDING,) if succeeded else (PENDING, SUCCEEDED)):
        return False
    session.execute(
        update(Refund)
        .where(Refund.id == refund.id)
        .values(status=SUCCEEDED if succeeded else FAILED, gateway_ref=gateway_ref)
        .execution_options(synchronize_session=False)
    )
    note, currency, customer = refund.credit_note_id, refund.currency, refund.customer_id
    if succeeded:
        posting = refund_sent(refund.key, note, currency, refund.gateway, refund.amount)
        _tell(session, refund, "refund_sent", refund.amount, at)
    else:
        if was == PENDING:
            posting = refund_failed(refund.key, note, currency, customer, refund.amount)
        else:
            posting = refund_returned(refund.key, note, currency, refund.gateway, customer, refund.amount)
        credits.give(session, refund.customer_id, refund.currency, refund.amount, refund.key, at)
        session.execute(
            update(CreditNote)
            .where(CreditNote.id == refund.credit_note_id)
            .values(refunded=CreditNote.refunded - refund.amount, credited=CreditNote.credited + refund.amount)
            .execution_options(synchronize_session=False)
        )
    ledger.post(session, posting, at)
    if not succeeded:
        taken = disputes.take_late_credit(session, refund.key, refund.invoice_id, at)
        if taken < refund.amount:
            _tell(session, refund, "refund_credited", refund.amount - taken, at)
    return True


def _tell(session: Session, refund: PendingRefund, kind: str, amount: int, at: datetime) -> None:
    data = {"invoice": refund.invoice_id, "amount": str(amount), "currency": refund.currency}
    message = Message(keys.notify(kind, refund.key), kind, data)
    records.write_messages(
        session, (message,), at, customer_id=refund.customer_id, subscription_id=refund.subscription_id
    )
