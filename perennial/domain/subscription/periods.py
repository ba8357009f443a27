"""How one period follows another: the first one, a renewal, the end of a trial."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from perennial.domain import calendar, keys
from perennial.domain.calendar import Period
from perennial.domain.money import allocate
from perennial.domain.subscription.effects import (
    Bill,
    Decision,
    InvoiceDraft,
    Line,
    LineDiscount,
    LineKind,
    Message,
    Note,
)
from perennial.domain.subscription.ending import end
from perennial.domain.subscription.state import Arrear, Collection, Discount, Span, SpanKind, State, Status
from perennial.domain.subscription.usage import close_usage, count_usage, due_date


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
    pays = state.payment_method_id or state.net_days is not None
    if not state.prepaid_periods and not pays and state.costs_something:
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
    state = count_usage(close_usage(state, period.start), period.start)
    state = replace(
        state,
        period=period,
        index=index,
        period_no=period_no,
        period_invoices=(),
        period_amount=0,
        period_billed=0,
        period_discounts=(),
    )
    if state.prepaid_periods:
        state = replace(state, prepaid_periods=state.prepaid_periods - 1, status=_served(state))
        return _unbilled(state, SpanKind.PREPAID)
    if state.skip_next and period_no:
        return _unbilled(replace(state, skip_next=False, status=_served(state)), SpanKind.SKIPPED)
    return _billed(state)


def _served(state: State) -> Status:
    return Status.PAST_DUE if state.collection and state.collection.is_overdue else Status.ACTIVE


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
    case, due_at = state.collection, draft.due_at
    if case is None:
        collection = Collection(invoice=draft.key, attempt=0 if due_at else 1, in_flight=True, due_at=due_at)
    else:
        # Dunning is not begun anew for every period of a short interval: the invoice joins the case.
        collection = replace(case, arrears=(*case.arrears, Arrear(draft.key, due_at)))
    status = state.status if state.status is Status.INCOMPLETE else _served(state)
    recurring = sum(line.charged for line in draft.lines if line.kind.recurs)
    method = state.payment_method_id
    state = replace(
        state,
        status=status,
        span=span,
        discounts=after_a_period(state.discounts, state.terms.code),
        # A first invoice that is never paid is void, and its fees with it (`payments`).
        fees_billed=state.fees_billed or status is not Status.INCOMPLETE,
        usage_due=(),
        collection=collection,
        period_amount=recurring,
        period_billed=recurring,
        period_discounts=state.discounts,
        period_invoices=(draft.key,),
    )
    collect = case is None and due_at is None
    return Decision(state, effects=(Bill(draft, method, collect),), notes=(note,), spans=(span,))


def after_a_period(discounts: Sequence[Discount], plan: str) -> tuple[Discount, ...]:
    """A coupon that is not for this plan rests: its periods are not used up."""
    left = (discount.after_a_period() if discount.is_for(plan) else discount for discount in discounts)
    return tuple(discount for discount in left if discount)


def draft_period(state: State) -> InvoiceDraft:
    """What one whole period costs, from the state as it is; once also the fees."""
    lines, coupons = _discounted(_recurring_lines(state), state)
    if not state.fees_billed:
        at = Period(state.period.start, state.period.start)
        inclusive = state.terms.tax_inclusive
        lines += [
            Line(LineKind.FEE, fee.name, Decimal(1), fee.amount, at, code=fee.code, tax_inclusive=inclusive)
            for fee in state.terms.fees
        ]
    return InvoiceDraft(
        key=keys.period_invoice(state.id, state.period_no),
        reason="renewal" if state.period_no else "first_period",
        currency=state.currency,
        period_no=state.period_no,
        period=state.period,
        lines=tuple(lines),
        usage=state.usage_due,
        coupons=coupons,
        # What is issued late, after it was parked, is not due before it is issued.
        due_at=due_date(state, max(state.period.start, state.as_of)),
        tax_inclusive=state.terms.tax_inclusive,
    )


def _recurring_lines(state: State) -> list[Line]:
    return [
        Line(
            kind=LineKind.ADD_ON if n else LineKind.PLAN,
            description=item.name,
            quantity=Decimal(item.quantity),
            amount=item.amount,
            period=state.period,
            code=item.code,
            price=item.price,
            tax_inclusive=state.terms.tax_inclusive,
        )
        for n, item in enumerate(state.terms.items(state.quantity, state.addons))
    ]


def _discounted(lines: list[Line], state: State) -> tuple[list[Line], tuple[Discount, ...]]:
    """Each coupon in turn off what is left of the lines; and the coupons with what they have left for usage."""
    coupons = []
    for discount in (each for each in state.discounts if each.is_for(state.terms.code)):
        left = [line.charged for line in lines]
        whole = discount.off(sum(left))
        lines = [
            replace(line, discounts=(*line.discounts, LineDiscount(discount.coupon, share))) if share else line
            for line, share in zip(lines, allocate(whole, left), strict=True)
        ]
        coupons.append(discount if discount.amount is None else replace(discount, amount=discount.amount - whole))
    return lines, tuple(coupons)


def _plan_data(state: State) -> dict[str, str]:
    terms = state.terms
    return {"plan": terms.code, "version": str(terms.version), "quantity": str(state.quantity)}


def _period_data(state: State, kind: SpanKind) -> dict[str, str]:
    return {"period": str(state.period_no), "until": state.period.end.isoformat(), "kind": kind.value}
