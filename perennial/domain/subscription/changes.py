"""Changes of plan and quantity, at once with proration or at the end of the period."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from perennial.domain import calendar, keys
from perennial.domain.calendar import Period
from perennial.domain.catalog import PlanTerms
from perennial.domain.errors import CancellationPending, CurrencyChange, PrepaidByGift, SamePlan
from perennial.domain.proration import PlanChange, ProrationBasis, plan_change
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import (
    Bill,
    Credit,
    Decision,
    Effect,
    InvoiceDraft,
    Line,
    LineKind,
    Message,
    Note,
)
from perennial.domain.subscription.lifecycle import require_settled
from perennial.domain.subscription.opening import check_quantity
from perennial.domain.subscription.state import (
    Collection,
    ScheduledChange,
    Span,
    SpanKind,
    State,
    Status,
)


def change_plan(state: State, command: c.ChangePlan, at: datetime) -> Decision:
    quantity = state.quantity if command.quantity is None else command.quantity
    return _change(state, command.terms, quantity, command, at)


def change_quantity(state: State, command: c.ChangeQuantity, at: datetime) -> Decision:
    return _change(state, state.terms, command.quantity, command, at)


def _change(
    state: State, terms: PlanTerms, quantity: int, command: c.ChangePlan | c.ChangeQuantity, at: datetime
) -> Decision:
    check_quantity(terms, quantity)
    if terms.currency != state.currency:
        raise CurrencyChange(state.id, state.currency, terms.currency)
    if (terms.code, terms.version, quantity) == (state.terms.code, state.terms.version, state.quantity):
        if state.scheduled_change is None:
            raise SamePlan(state.id, terms.code)
        note = Note(at, "change_undone", command.actor, _data(terms, quantity))
        return Decision(replace(state, scheduled_change=None), notes=(note,))
    require_settled(state)
    if state.prepaid_periods:
        raise PrepaidByGift(state.id)  # periods of one plan would be served on another, without a payment
    if command.when is c.When.PERIOD_END:
        return _schedule(state, terms, quantity, command, at)
    if state.span.kind is SpanKind.PREPAID:
        raise PrepaidByGift(state.id)
    return _change_now(state, terms, quantity, command, at)


def _schedule(state: State, terms: PlanTerms, quantity: int, command: c.Command, at: datetime) -> Decision:
    if state.cancellation:
        raise CancellationPending(state.id)
    change = ScheduledChange(state.period.end, terms, quantity)
    note = Note(at, "change_scheduled", command.actor, _data(terms, quantity) | {"at": change.at.isoformat()})
    return Decision(replace(state, scheduled_change=change), notes=(note,))


def apply_scheduled(state: State) -> Decision:
    """At the boundary, just before the renewal: the renewal then bills the new terms."""
    change = state.scheduled_change
    assert change is not None, "only a scheduled change falls due"
    state = _with_terms(replace(state, scheduled_change=None), change.terms, change.quantity, state.period.end)
    return Decision(state, notes=(Note(change.at, "plan_changed", data=_data(change.terms, change.quantity)),))


def _with_terms(state: State, terms: PlanTerms, quantity: int, cycle_at: datetime) -> State:
    """Another interval needs another anchor: the boundary at which it begins."""
    if terms.interval != state.terms.interval:
        state = replace(state, anchor=calendar.to_wall(cycle_at, state.timezone), index=-1)
    return replace(state, terms=terms, quantity=quantity)


def _change_now(
    state: State, terms: PlanTerms, quantity: int, command: c.ChangePlan | c.ChangeQuantity, at: datetime
) -> Decision:
    note = Note(at, "plan_changed", command.actor, _data(terms, quantity))
    message = Message(keys.notify("plan_changed", f"{state.id}:{command.request_id}"), "plan_changed")
    old = state
    state = _with_terms(replace(state, scheduled_change=None), terms, quantity, state.period.end)
    if state.status is Status.TRIALING:
        return Decision(state, notes=(note,), messages=(message,))
    basis = command.proration or old.terms.proration
    reset = terms.interval != old.terms.interval
    spans: tuple[Span, ...] = ()
    if reset:
        state, spans = _restart_cycle(state, old, at)
    new_amount = _new_amount(state, old, basis, reset=reset)
    change = _prorate(old, new_amount, at, basis, reset=reset)
    billed = 0 if reset else old.period_billed - change.credit
    state = replace(state, period_amount=new_amount, period_billed=billed + change.debit)
    state, effects = _money(state, old, change, command.request_id, at)
    return Decision(state, effects=effects, notes=(note,), messages=(message,), spans=spans)


def _new_amount(state: State, old: State, basis: ProrationBasis, *, reset: bool) -> int:
    """What a whole period costs from now on. What is not charged now must not be credited later either."""
    if not reset and (basis is ProrationBasis.NONE or old.span.kind is SpanKind.SKIPPED):
        return old.period_amount
    amount, discount = state.terms.amount(state.quantity), state.period_discount
    return amount - discount.off(amount) if discount else amount


def _prorate(old: State, new_amount: int, at: datetime, basis: ProrationBasis, *, reset: bool) -> PlanChange:
    """No more is credited than was billed: rounding, or a change of basis, could otherwise ask for it."""
    change = plan_change(
        old.period_amount,
        new_amount,
        at,
        basis,
        period=old.period,
        timezone=old.timezone,
        reset_cycle=reset,
        interval=old.terms.interval,
    )
    return replace(change, credit=min(change.credit, old.period_billed))


def _restart_cycle(state: State, old: State, at: datetime) -> tuple[State, tuple[Span, ...]]:
    anchor = calendar.to_wall(at, state.timezone)
    period = Period(at, calendar.boundary(anchor, state.terms.interval, state.timezone, 1))
    span = Span(at, period.end, SpanKind.PAID, state.period_no + 1)
    discount = state.discount.after_a_period() if state.discount else None
    cancellation = replace(state.cancellation, at=period.end) if state.cancellation else None
    pause = state.scheduled_pause.moved_to(period.end) if state.scheduled_pause else None
    restarted = replace(
        state,
        anchor=anchor,
        index=0,
        period=period,
        period_no=state.period_no + 1,
        span=span,
        discount=discount,
        period_discount=state.discount,
        cancellation=cancellation,
        scheduled_pause=pause,
    )
    return restarted, (replace(old.span, end=at), span)


def _money(
    state: State, old: State, change: PlanChange, request_id: str, at: datetime
) -> tuple[State, tuple[Effect, ...]]:
    """The difference is invoiced when it is owed to us, and credited to the balance when it is owed to them.

    The invoices of the old period stay with a new cycle: they paid for the part of it that the credit covers.
    """
    if change.net < 0:
        key = keys.credit(state.id, request_id)
        return state, (Credit(key, "plan_change", state.currency, old.period_invoices, -change.net, refund=False),)
    if not change.credit and not change.debit:
        return state, ()
    draft = _draft(state, old, change, request_id, at)
    collection = Collection(invoice=draft.key, attempt=1, in_flight=True)
    state = replace(state, collection=collection, period_invoices=(*old.period_invoices, draft.key))
    return state, (Bill(draft, state.payment_method_id),)


def _draft(state: State, old: State, change: PlanChange, request_id: str, at: datetime) -> InvoiceDraft:
    unused, rest = Period(at, old.period.end), Period(at, state.period.end)
    lines = []
    if change.credit:
        name = f"Unused time on {old.terms.name}"
        lines.append(Line(LineKind.PRORATION_CREDIT, name, Decimal(old.quantity), -change.credit, unused))
    if change.debit:
        name = f"Remaining time on {state.terms.name}"
        lines.append(Line(LineKind.PRORATION_DEBIT, name, Decimal(state.quantity), change.debit, rest))
    return InvoiceDraft(
        key=keys.change_invoice(state.id, request_id),
        reason="plan_change",
        currency=state.currency,
        period_no=state.period_no,
        period=rest,
        lines=tuple(lines),
    )


def _data(terms: PlanTerms, quantity: int) -> dict[str, str]:
    return {"plan": terms.code, "version": str(terms.version), "quantity": str(quantity)}
