"""The state of a subscription as PostgreSQL knows it."""

from sqlalchemy.orm import Session

from perennial.db.models import Subscription
from perennial.db.repositories import invoices, records
from perennial.db.repositories.statuses import PAID
from perennial.domain import subscription as core
from perennial.domain.subscription import State
from perennial.domain.subscription.effects import PaymentFact, PaymentStatus


def current(session: Session, row: Subscription) -> State:
    """The recorded state, with the outcome of a payment that was in flight when it was recorded.

    A renewal is written down together with its invoice, before the charge; when that simply succeeds nothing is left
    to write, and the success stands in the invoice alone; so does that an invoice was sent.
    """
    state = records.load_state(row.state)
    case = state.collection
    if case is None or not case.in_flight or case.closing:
        return state
    invoice = invoices.find(session, case.invoice)
    at = (invoice.closed_at or invoice.issued_at) if invoice else state.as_of
    if invoice is None or invoice.status == PAID:
        # It is written down with its invoice, so a missing one is one that had no line: nothing is owed.
        fact = PaymentFact(case.invoice, PaymentStatus.PAID, case.attempt, at)
    elif case.due_at and not case.attempt:
        fact = PaymentFact(case.invoice, PaymentStatus.OPEN, 0, at)
    else:
        return state
    return core.settle(state, fact, state.as_of).state
