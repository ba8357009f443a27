"""Walking ahead without a server: what would happen if every payment went through."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from perennial.domain.subscription.decide import act, settle
from perennial.domain.subscription.due import Due, next_due
from perennial.domain.subscription.effects import (
    Bill,
    CloseInvoice,
    Collect,
    Credit,
    Decision,
    Effect,
    InvoiceDraft,
    PaymentFact,
    PaymentStatus,
    Receive,
    Settle,
)
from perennial.domain.subscription.state import State


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a decision leads, with all the effects that it and its consequences want."""

    state: State
    effects: tuple[Effect, ...]

    @property
    def drafts(self) -> tuple[InvoiceDraft, ...]:
        return tuple(effect.draft for effect in self.effects if isinstance(effect, Bill))

    @property
    def credits(self) -> tuple[Credit, ...]:
        return tuple(effect for effect in self.effects if isinstance(effect, Credit))


def follow(decision: Decision) -> Outcome:
    """Carry a decision out on paper: invoices are paid, those that are given up are closed."""
    state, seen = decision.state, list(decision.effects)
    for effect in decision.effects:
        fact = _fact(effect, state.as_of)
        if fact is not None:
            further = follow(settle(state, fact, state.as_of))
            state = further.state
            seen.extend(further.effects)
    return Outcome(state, tuple(seen))


def _fact(effect: Effect, at: datetime) -> PaymentFact | None:
    match effect:
        case Bill(draft=draft, collect=collect):
            return PaymentFact(draft.key, PaymentStatus.PAID if collect else PaymentStatus.OPEN, 1, at)
        case (
            Collect(invoice=invoice, attempt=attempt)
            | Settle(invoice=invoice, attempt=attempt)
            | Receive(invoice=invoice, attempt=attempt)
        ):
            return PaymentFact(invoice, PaymentStatus.PAID, attempt, at)
        case CloseInvoice(invoice=invoice):
            return PaymentFact(invoice, PaymentStatus.CLOSED, 0, at)
        case Credit():
            return None


def walk(state: State, until: datetime) -> Iterator[tuple[Due, Outcome]]:
    """Everything that falls due up to `until`, in order."""
    while (due := next_due(state)) is not None and due.at <= until:
        outcome = follow(act(state, due))
        state = outcome.state
        yield due, outcome


def catch_up(state: State, now: datetime) -> State:
    """The state after everything that is due by `now`."""
    for _, outcome in walk(state, now):
        state = outcome.state
    return state
