"""What would this cost? The same core as the real thing, without effects, so the answer is what is then charged."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.contracts.views import SubscriptionView, view_of
from perennial.db.models import Subscription
from perennial.db.repositories import credit_notes, credits, invoices
from perennial.db.repositories.assessments import Assessed, StatedDiscount, assess_draft
from perennial.domain import subscription as core
from perennial.domain.assessment import AssessedLine, AssessedTax, Assessment
from perennial.domain.errors import InvalidInput
from perennial.domain.subscription import State
from perennial.domain.subscription.commands import Command
from perennial.domain.subscription.effects import InvoiceDraft, PaymentFact, PaymentStatus
from perennial.domain.subscription.simulation import Outcome, catch_up, follow, walk
from perennial.engine import states
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription, edge_time, prepare, require

# How far ahead the next invoice is looked for; longer than any sensible interval.
_HORIZON = timedelta(days=366 * 5)


# How long the figures of a preview can be had: long enough to read them and press the button.
HOLDS = timedelta(minutes=15)


def previewed_instant(instant: datetime | None, now: datetime) -> datetime:
    """The instant of a recent preview, so that what was shown is what is charged; without one it is now.

    Raises:
        InvalidInput: it is too old, or none.
    """
    if instant is None:
        return now
    if not now - HOLDS <= instant <= now:
        raise InvalidInput("must be the instant of a preview of the last 15 minutes", field="effective_at")
    return instant


@dataclass(frozen=True, slots=True)
class Preview:
    """Amounts in minor units. `lines` and the sums are of the invoice that would be issued at once (none: empty).

    `subtotal` and `discount` are as priced, `total` has the `tax` in it. `amount_due` is what would be charged now,
    `credit_issued` what would go to the customer (balance or refund); `next_amount` is the invoice after it, on
    `next_invoice_at`, with what has been used so far. `effective_at` is the instant it is computed for: the command
    takes it as `at`, and then charges the same.
    """

    effective_at: datetime
    currency: str
    lines: tuple[AssessedLine, ...]
    taxes: tuple[AssessedTax, ...]
    discounts: tuple[StatedDiscount, ...]
    subtotal: int
    discount: int
    tax: int
    total: int
    credit_applied: int
    amount_due: int
    credit_issued: int
    next_invoice_at: datetime | None
    next_amount: int | None
    view: SubscriptionView


async def preview_new(engine: Engine, new: NewSubscription) -> Preview:
    """What `create` would charge. Raises what `create` would raise."""
    return await engine.read(lambda session: previewed(engine, session, prepare(engine, session, new)))


def previewed(engine: Engine, session: Session, state: State) -> Preview:
    """What beginning in this state (of `prepare`) would charge."""
    return _preview(engine, session, state.created_at, follow(core.begin(state)))


def upcoming(engine: Engine, session: Session, state: State) -> tuple[datetime, int] | None:
    """When the next invoice comes and what it comes to (minor units, taxes in it) if everything open is paid now."""
    case = state.collection
    if case is not None:
        paid = PaymentFact(case.invoice, PaymentStatus.PAID, case.attempt, state.as_of)
        state = follow(core.settle(state, paid, state.as_of)).state
    found = _next_invoice(state)
    return (found[0], _next_amount(engine, session, state, found, first=case is None)) if found else None


async def preview_change(
    engine: Engine, subscription_id: str, make: Callable[[Session, Subscription, datetime], Command]
) -> Preview:
    """What the command that `make` builds would charge or credit. Raises what the command would raise."""

    def compute(session: Session) -> Preview:
        row = require(session, subscription_id)
        now = edge_time(engine, session, row.test_clock_id)
        command = make(session, row, now)
        recorded = states.current(session, row)
        at = max(min(command.at or now, now).replace(microsecond=0), recorded.as_of)
        state = catch_up(recorded, at)
        outcome = follow(core.decide(state, replace(command, at=at), at))
        for _, further in walk(outcome.state, at):
            # What falls due with the command follows it at once: a pause that began with the end of a period leaves
            # nothing to run on, so resuming renews.
            outcome = Outcome(further.state, (*outcome.effects, *further.effects))
        return _preview(engine, session, at, outcome)

    return await engine.read(compute)


def _preview(engine: Engine, session: Session, at: datetime, outcome: Outcome) -> Preview:
    """What is billed comes to what `assess_draft` says: it is what issuing the invoice asks."""
    state = outcome.state
    draft = outcome.drafts[0] if outcome.drafts else None
    assessed = _assessed(engine, session, state, draft, at) if draft else None
    notes = list(outcome.credits)
    if draft and assessed and assessed.surplus:
        notes.append(invoices.surplus_of(draft, assessed))
    given = [credit_notes.given(session, note) for note in notes]
    issued = sum(each.total for each in given)
    refunded = sum(
        credit_notes.refundable(session, each) for each, note in zip(given, notes, strict=True) if note.refund
    )
    result = assessed.result if assessed else Assessment((), ())
    balance = credits.balance(session, state.customer_id, state.currency, at)
    # What cannot go back the way it was paid goes to the balance as well, and pays.
    applied = min(balance + issued - refunded, result.total)
    upcoming = _next_invoice(state)
    return Preview(
        effective_at=at,
        currency=state.currency,
        lines=result.lines,
        taxes=result.taxes,
        discounts=assessed.discounts if assessed else (),
        subtotal=result.subtotal,
        discount=result.discount,
        tax=result.tax,
        total=result.total,
        credit_applied=applied,
        amount_due=result.total - applied,
        credit_issued=issued,
        next_invoice_at=upcoming[0] if upcoming else None,
        next_amount=_next_amount(engine, session, state, upcoming, first=draft is None) if upcoming else None,
        view=view_of(state),
    )


def _assessed(
    engine: Engine, session: Session, state: State, draft: InvoiceDraft, at: datetime, *, first: bool = True
) -> Assessed:
    """Only the `first` invoice from now on bears what came late."""
    subject = Subject(state.customer_id, subscription_id=state.id)
    return assess_draft(session, engine.taxes, subject, draft, at, with_late=first)


def _next_amount(
    engine: Engine, session: Session, state: State, upcoming: tuple[datetime, InvoiceDraft], *, first: bool
) -> int:
    """With its taxes, and with what has been used so far."""
    at, draft = upcoming
    return max(0, _assessed(engine, session, state, draft, at, first=first).result.total)


def _next_invoice(state: State) -> tuple[datetime, InvoiceDraft] | None:
    for due, outcome in walk(state, state.as_of + _HORIZON):
        if outcome.drafts:
            return due.at, outcome.drafts[0]
    return None
