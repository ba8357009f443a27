"""How a subscription ends, and how open invoices are given up first."""

from dataclasses import replace
from datetime import datetime

from perennial.domain import keys
from perennial.domain.calendar import Period
from perennial.domain.catalog import RefundPolicy
from perennial.domain.subscription.effects import (
    Bill,
    CloseInvoice,
    Credit,
    Decision,
    Effect,
    InvoiceDraft,
    Message,
    Note,
)
from perennial.domain.subscription.proration import unused_amount
from perennial.domain.subscription.state import (
    Arrear,
    Cancellation,
    Closing,
    Collection,
    Span,
    State,
    Status,
)
from perennial.domain.subscription.usage import close_usage, due_date, without_usage


def end(state: State, at: datetime, status: Status, reason: str, actor: str = "engine") -> Decision:
    """No more periods. What ran is cut off at `at`; what was used until then is billed.

    That last invoice is tried once; like one that was sent and is not due yet it stays open until somebody pays it or
    gives it up.
    """
    state = without_usage(state) if state.status is Status.INCOMPLETE else close_usage(state, at)
    sent = state.collection if state.collection and not state.collection.is_overdue else None
    span = Span(state.span.start, max(state.span.start, at), state.span.kind, state.span.period_no)
    ended = replace(
        state,
        status=status,
        ended_at=at,
        end_reason=reason,
        span=span,
        collection=sent,
        cancellation=None,
        pause=None,
        scheduled_change=None,
        scheduled_pause=None,
        incomplete_until=None,
        skip_next=False,
        usage_from=None,
    )
    effects: tuple[Effect, ...] = ()
    if state.usage_due:
        draft = _last_usage(state, at)
        if sent:
            case = replace(sent, arrears=(*sent.arrears, Arrear(draft.key, draft.due_at)))
        else:
            case = Collection(invoice=draft.key, attempt=0 if draft.due_at else 1, in_flight=True, due_at=draft.due_at)
        ended = replace(ended, collection=case, usage_due=())
        effects = (Bill(draft, state.payment_method_id, collect=draft.due_at is None),)
    kind = "subscription_canceled" if status is Status.CANCELED else "subscription_expired"
    return Decision(
        ended,
        effects=effects,
        notes=(Note(at, status.value, actor, {"reason": reason}),),
        messages=(Message(keys.notify(kind, f"{state.id}:{state.period_no}"), kind, {"reason": reason}),),
        spans=(span,),
    )


def cancel_now(state: State, asked: Cancellation, at: datetime, actor: str = "engine") -> Decision:
    """End it and give back what `asked` wants; nothing is owed any more."""
    credit = _refund(state, asked, at)
    decision = end(state, at, Status.CANCELED, asked.reason, actor)
    return replace(decision, effects=(credit, *decision.effects) if credit else decision.effects)


def _last_usage(state: State, at: datetime) -> InvoiceDraft:
    stretches = state.usage_due
    return InvoiceDraft(
        key=keys.final_invoice(state.id, state.period_no),
        reason="final_usage",
        currency=state.currency,
        period_no=state.period_no,
        period=Period(stretches[0].start, max(at, stretches[-1].end)),
        lines=(),
        usage=stretches,
        # Those that a renewal at this instant would have: what is left of a coupon's periods counts invoices.
        coupons=tuple(each for each in state.discounts if each.is_for(state.terms.code)),
        # A card whose owner contests a charge is not charged once more: they are sent what they owe.
        due_at=due_date(state, at) or (at if state.is_disputed else None),
        tax_inclusive=state.terms.tax_inclusive,
    )


def _refund(state: State, asked: Cancellation, at: datetime) -> Credit | None:
    if asked.refund is RefundPolicy.NONE or not state.period_invoices:
        return None
    stopped = state.pause.since if state.pause else at
    amount = state.creditable if asked.refund is RefundPolicy.FULL else unused_amount(state, stopped)
    if not amount:
        return None
    key = keys.credit(state.id, asked.request_id)
    back = not state.terms.refund_to_credit
    return Credit(key, "cancellation", state.currency, state.period_invoices, amount, refund=back, recurring=True)


def close_invoices(state: State, closing: Closing) -> Decision:
    """Give the oldest open invoice up; the answer decides how it goes on (it may have been paid meanwhile)."""
    case = state.collection
    assert case is not None, "only an open case is closed"
    never_owed = closing is Closing.VOID or (closing is not Closing.WRITE_OFF and state.status is Status.INCOMPLETE)
    status = "void" if never_owed else "uncollectible"
    state = replace(state, collection=replace(case, closing=closing, in_flight=True))
    return Decision(state, effects=(CloseInvoice(case.invoice, status),))
