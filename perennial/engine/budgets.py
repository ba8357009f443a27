"""What somebody who asks for one more attempt is told when the card's network does not allow it.

The attempt itself is refused where it would begin, behind a lock (`perennial.db.repositories.budgets`). Here it is
looked at before it is asked for, so that whoever asks hears from when on it is possible.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from perennial.db.models import Subscription
from perennial.db.repositories import budgets, invoices, payments
from perennial.db.repositories.invoices import IssuedInvoice
from perennial.db.repositories.statuses import OPEN
from perennial.domain.networks import CardBarred, CardBudgetSpent
from perennial.domain.subscription.commands import Command, RetryPayment
from perennial.domain.subscription.effects import Trigger
from perennial.engine import states


def check_command(session: Session, row: Subscription, command: Command, now: datetime) -> None:
    """Only asking for a retry is refused: another payment method is kept, even if it cannot be tried yet.

    Raises:
        CardBudgetSpent, CardBarred.
    """
    if not isinstance(command, RetryPayment):
        return
    state = states.current(session, row)
    case = state.collection
    if case is None or case.in_flight or command.request_id in state.applied:
        return
    invoice = invoices.find(session, case.invoice)
    if invoice is not None:
        check(session, row.id, invoice, state.payment_method_id, now)


def check(session: Session, subject: str, invoice: IssuedInvoice, method_id: str | None, now: datetime) -> None:
    """Whether a customer may try to pay this invoice with this method at `now` (UTC).

    Raises:
        CardBudgetSpent, CardBarred.
    """
    n = 1 if payments.find(session, invoice.id, 1) is None else 2
    card = budgets.card_of(session, method_id, n, now, lock=False)
    if card is None or invoice.status != OPEN:
        return
    budget = budgets.budget(session, card, invoice.amount_due, invoice.currency, Trigger.CUSTOMER, now)
    if budget.allow:
        return
    raise CardBudgetSpent(subject, budget.again_at) if budget.again_at else CardBarred(subject)
