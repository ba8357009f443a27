"""How a checkout stands: read from what its workflow has written down, never remembered by the page itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import CheckoutSession, Invoice, PaymentAttempt, Subscription
from perennial.db.repositories import payments
from perennial.db.repositories.statuses import OPEN, PAID
from perennial.domain import keys
from perennial.domain.subscription import Status
from perennial.engine import states
from perennial.engine.checkout import Mode, SessionStatus, require, subscription_id
from perennial.engine.context import Engine

# A try that has not come to an end after so long has lost its process: the customer may send it again.
TRY_TIMEOUT = timedelta(seconds=30)


class Step(StrEnum):
    """`choose`: the customer chooses how to pay; `bank`: their bank wants to hear from them; `working`: wait.

    `gone`: nothing can be paid here any more (the invoice was taken back, the subscription never began).
    """

    CHOOSE = "choose"
    WORKING = "working"
    BANK = "bank"
    DONE = "done"
    EXPIRED = "expired"
    GONE = "gone"

    @property
    def takes_tries(self) -> bool:
        return self in (Step.CHOOSE, Step.BANK)


@dataclass(frozen=True, slots=True)
class Standing:
    """`invoice` is what is being paid, `attempt` the last attempt at it, `decline` the code if that was declined.

    `subscription`: of mode subscription, once it has begun. `refusal`: why the last try could not even be made.
    """

    row: CheckoutSession
    step: Step
    subscription: Subscription | None = None
    invoice: Invoice | None = None
    attempt: PaymentAttempt | None = None

    @property
    def decline(self) -> str | None:
        declined = self.attempt is not None and self.attempt.status == payments.DECLINED
        return self.attempt.decline_code if self.attempt and declined else None


async def look(engine: Engine, session_id: str) -> Standing:
    """How it stands now. A session whose purpose is fulfilled, by whatever way, is completed with it.

    Raises:
        NotFound: no such session.
    """

    def read(session: Session) -> Standing:
        row = require(session, session_id, lock=True)
        now = engine.clock()
        standing = stand(session, row, now)
        if standing.step is Step.DONE and row.status != SessionStatus.COMPLETED:
            complete(row, now, standing)
        elif row.status == SessionStatus.OPEN and row.expires_at <= now:
            row.status = SessionStatus.EXPIRED.value
        return standing

    return await engine.write(read)


def complete(row: CheckoutSession, now: datetime, standing: Standing | None = None) -> None:
    row.status, row.completed_at, row.busy_since = SessionStatus.COMPLETED.value, now, None
    if standing and standing.subscription:
        row.subscription_id = standing.subscription.id
    if standing and standing.invoice:
        row.invoice_id = standing.invoice.id


def stand(session: Session, row: CheckoutSession, now: datetime) -> Standing:
    standing = _by_purpose(session, row)
    step = standing.step
    if row.busy_since and now - row.busy_since < TRY_TIMEOUT and step.takes_tries:
        step = Step.WORKING
    over = row.status == SessionStatus.EXPIRED or row.expires_at <= now
    if step.takes_tries and over:
        step = Step.EXPIRED
    return Standing(row, step, standing.subscription, standing.invoice, standing.attempt)


def _by_purpose(session: Session, row: CheckoutSession) -> Standing:
    match row.mode:
        case Mode.SUBSCRIPTION:
            return _of_subscription(session, row)
        case Mode.INVOICE:
            return _of_invoice(session, row, row.invoice_id or "")
        case _:
            done = row.status == SessionStatus.COMPLETED
            return Standing(row, Step.DONE if done else Step.CHOOSE)


def _of_subscription(session: Session, row: CheckoutSession) -> Standing:
    subscription = session.get(Subscription, subscription_id(row))
    if subscription is None:
        return Standing(row, Step.CHOOSE)
    state = states.current(session, subscription)
    invoice = first_invoice(session, state.id)
    if row.status == SessionStatus.COMPLETED or not (state.status is Status.INCOMPLETE or state.status.is_ended):
        return Standing(row, Step.DONE, subscription, invoice)
    if state.status.is_ended:
        return Standing(row, Step.GONE, subscription, invoice)
    if invoice is None or not state.collection or state.collection.in_flight:
        return Standing(row, Step.WORKING, subscription, invoice)
    found = _of_invoice(session, row, invoice.id)
    # Paid, and the workflow has not said so yet: service begins when it does.
    step = Step.WORKING if found.step is Step.DONE else found.step
    return Standing(row, step, subscription, invoice, found.attempt)


def first_invoice(session: Session, subscription: str) -> Invoice | None:
    return session.scalar(select(Invoice).where(Invoice.key == keys.period_invoice(subscription, 0)))


def _of_invoice(session: Session, row: CheckoutSession, invoice_id: str) -> Standing:
    """Both in one statement: an invoice from before its payment beside an attempt from after it would ask for more."""
    both = (
        select(Invoice, PaymentAttempt)
        .outerjoin(PaymentAttempt, PaymentAttempt.invoice_id == Invoice.id)
        .where(Invoice.id == invoice_id)
        .order_by(PaymentAttempt.n.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    found = session.execute(both).one()
    invoice: Invoice = found[0]
    attempt: PaymentAttempt | None = found[1]
    if invoice.status == PAID:
        return Standing(row, Step.DONE, invoice=invoice)
    if invoice.status != OPEN:
        return Standing(row, Step.GONE, invoice=invoice)
    step = _STEPS.get(attempt.status, Step.CHOOSE) if attempt else Step.CHOOSE
    return Standing(row, step, invoice=invoice, attempt=attempt)


_STEPS = {
    payments.PENDING: Step.WORKING,
    payments.PROCESSING: Step.WORKING,
    payments.REQUIRES_ACTION: Step.BANK,
}
