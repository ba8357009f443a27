"""How one period follows another: the first one, a renewal, the end of a trial."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from perennial.domain import calendar, keys
from perennial.domain.calendar import Period
from perennial.domain.subscription.effects import Bill, Decision, InvoiceDraft, Line, LineKind, Message, Note
from perennial.domain.subscription.ending import end
from perennial.domain.subscription.state import Collection, Span, SpanKind, State, Status


def begin(state: State) -> Decision:
    """The first step of a subscription's life."""
    note = Note(state.created_at, "created", data=_plan_data(state))
    if state.status is Status.TRIALING:
        message = Message(keys.notify("trial_started", state.id), "subscription_started")
        return Decision(state, notes=(note,), messages=(message,), spans=(state.span,))
    decision = enter_period(state, state.period, index=0, period_no=0)
    return replace(decision, notes=(note, *decision.notes))


def renew(state: State) -> Decision:
    """The period has ended and the next one begins, or the subscription ends because nothing pays for it."""
    at = state.period.end
    if not state.prepaid_periods and not state.payment_method_id and state.terms.amount(state.quantity) > 0:
        if state.status is Status.TRIALING:
            return end(state, at, Status.CANCELED, "trial_ended_without_payment_method")
        if state.span.kind is SpanKind.PREPAID:
            return end(state, at, Status.EXPIRED, "gift_ended")
    index = state.index + 1
    following = Period(at, calendar.boundary(state.anchor, state.terms.interval, state.timezone, index + 1))
    return enter_period(state, following, index=index, period_no=state.period_no + 1)


def enter_new_cycle(state: State, at: datetime, *, period_no: int) -> Decision:
    """Start over at `at`: it becomes the anchor and a whole period begins."""
    anchor = calendar.to_wall(at, state.timezone)
    period = Period(at, calendar.boundary(anchor, state.terms.interval, state.timezone, 1))
    return enter_period(replace(state, anchor=anchor), period, index=0, period_no=period_no)


def enter_period(state: State, period: Period, *, index: int, period_no: int) -> Decision:
    """Prepaid, skipped or billed: the one place where a period begins."""
    state = replace(
        state,
        period=period,
        index=index,
        period_no=period_no,
        period_invoices=(),
        period_amount=0,
        period_billed=0,
        period_discount=None,
    )
    if state.prepaid_periods:
        state = replace(state, prepaid_periods=state.prepaid_periods - 1, status=_served(state))
        return _unbilled(state, SpanKind.PREPAID)
    if state.skip_next and period_no:
        return _unbilled(replace(state, skip_next=False, status=_served(state)), SpanKind.SKIPPED)
    return _billed(state)


def _served(state: State) -> Status:
    return Status.PAST_DUE if state.collection else Status.ACTIVE


def _unbilled(state: State, kind: SpanKind) -> Decision:
    span = Span(state.period.start, state.period.end, kind, state.period_no)
    note = Note(state.period.start, "period_began", data=_period_data(state, kind))
    messages: tuple[Message, ...] = ()
    if state.period_no == 0:
        messages = (Message(keys.notify("subscription_started", state.id), "subscription_started"),)
    state = replace(state, span=span, incomplete_until=None, reminded_period=-1)
    return Decision(state, notes=(note,), messages=messages, spans=(span,))


def _billed(state: State) -> Decision:
    draft = draft_period(state)
    span = Span(state.period.start, state.period.end, SpanKind.PAID, state.period_no)
    note = Note(state.period.start, "period_began", data=_period_data(state, SpanKind.PAID))
    case = state.collection
    if case is None:
        collection, collect = Collection(invoice=draft.key, attempt=1, in_flight=True), True
    else:
        # Dunning is not begun anew for every period of a short interval: the invoice joins the case.
        collection, collect = replace(case, arrears=(*case.arrears, draft.key)), False
    status = state.status if state.status is Status.INCOMPLETE else _served(state)
    discount = state.discount.after_a_period() if state.discount else None
    method = state.payment_method_id
    state = replace(
        state,
        status=status,
        span=span,
        discount=discount,
        collection=collection,
        period_amount=draft.total,
        period_billed=draft.total,
        period_discount=state.discount,
        period_invoices=(draft.key,),
    )
    return Decision(state, effects=(Bill(draft, method, collect),), notes=(note,), spans=(span,))


def draft_period(state: State) -> InvoiceDraft:
    """What one whole period costs, from the state as it is."""
    amount = state.terms.amount(state.quantity)
    line = Line(
        kind=LineKind.PLAN,
        description=state.terms.name,
        quantity=Decimal(state.quantity),
        amount=amount,
        discount=state.discount.off(amount) if state.discount else 0,
        period=state.period,
    )
    return InvoiceDraft(
        key=keys.period_invoice(state.id, state.period_no),
        reason="renewal" if state.period_no else "first_period",
        currency=state.currency,
        period_no=state.period_no,
        period=state.period,
        lines=(line,),
    )


def _plan_data(state: State) -> dict[str, str]:
    terms = state.terms
    return {"plan": terms.code, "version": str(terms.version), "quantity": str(state.quantity)}


def _period_data(state: State, kind: SpanKind) -> dict[str, str]:
    return {"period": str(state.period_no), "until": state.period.end.isoformat(), "kind": kind.value}
