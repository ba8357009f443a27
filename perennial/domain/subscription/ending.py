"""How a subscription ends, and how open invoices are given up first."""

from dataclasses import replace
from datetime import datetime

from perennial.domain import keys
from perennial.domain.subscription.effects import CloseInvoice, Credit, Decision, Message, Note
from perennial.domain.subscription.proration import unused_amount
from perennial.domain.subscription.state import Cancellation, Closing, RefundPolicy, Span, State, Status


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


def cancel_now(state: State, asked: Cancellation, at: datetime, actor: str = "engine") -> Decision:
    """End it and give back what `asked` wants; nothing is owed any more."""
    credit = _refund(state, asked, at)
    decision = end(state, at, Status.CANCELED, asked.reason, actor)
    return replace(decision, effects=(credit,) if credit else ())


def _refund(state: State, asked: Cancellation, at: datetime) -> Credit | None:
    if asked.refund is RefundPolicy.NONE or not state.period_invoices:
        return None
    stopped = state.pause.since if state.pause else at
    amount = state.period_billed if asked.refund is RefundPolicy.FULL else unused_amount(state, stopped)
    if not amount:
        return None
    key = keys.credit(state.id, asked.request_id)
    return Credit(key, "cancellation", state.currency, state.period_invoices, amount, refund=True)


def close_invoices(state: State, closing: Closing) -> Decision:
    """Give the oldest open invoice up; the answer decides how it goes on (it may have been paid meanwhile)."""
    case = state.collection
    assert case is not None, "only an open case is closed"
    status = "void" if state.status is Status.INCOMPLETE else "uncollectible"
    state = replace(state, collection=replace(case, closing=closing, in_flight=True))
    return Decision(state, effects=(CloseInvoice(case.invoice, status),))
