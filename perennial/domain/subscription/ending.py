"""How a subscription ends, and how open invoices are given up first."""

from dataclasses import replace
from datetime import datetime

from perennial.domain import keys
from perennial.domain.subscription.effects import CloseInvoice, Decision, Message, Note
from perennial.domain.subscription.state import Closing, Span, State, Status


def end(state: State, at: datetime, status: Status, reason: str, actor: str = "engine") -> Decision:
    """No more periods. What ran is cut off at `at`."""
    span = Span(state.span.start, max(state.span.start, at), state.span.kind, state.span.period_no)
    ended = replace(
        state,
        status=status,
        ended_at=at,
        end_reason=reason,
        span=span,
        collection=None,
        cancellation=None,
        pause=None,
        scheduled_change=None,
        scheduled_pause=None,
        incomplete_until=None,
        skip_next=False,
    )
    kind = "subscription_canceled" if status is Status.CANCELED else "subscription_expired"
    return Decision(
        ended,
        notes=(Note(at, status.value, actor, {"reason": reason}),),
        messages=(Message(keys.notify(kind, f"{state.id}:{state.period_no}"), kind, {"reason": reason}),),
        spans=(span,),
    )


def close_invoices(state: State, closing: Closing) -> Decision:
    """Give the oldest open invoice up; the answer decides how it goes on (it may have been paid meanwhile)."""
    case = state.collection
    assert case is not None, "only an open case is closed"
    status = "void" if state.status is Status.INCOMPLETE else "uncollectible"
    state = replace(state, collection=replace(case, closing=closing, in_flight=True))
    return Decision(state, effects=(CloseInvoice(case.invoice, status),))
