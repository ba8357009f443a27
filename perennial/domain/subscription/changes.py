"""Changes of plan and quantity, at once with proration or at the end of the period."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from perennial.domain import calendar, keys
from perennial.domain.calendar import Period
from perennial.domain.catalog import AddOn, PlanTerms
from perennial.domain.errors import (
    CancellationPending,
    ChangePending,
    CurrencyChange,
    MovedMeanwhile,
    PrepaidByGift,
    SamePlan,
)
from perennial.domain.money import allocate
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
from perennial.domain.subscription.lifecycle import require_nothing_overdue, require_settled
from perennial.domain.subscription.opening import check_quantity
from perennial.domain.subscription.periods import after_a_period
from perennial.domain.subscription.state import (
    Collection,
    ScheduledChange,
    Span,
    SpanKind,
    State,
    Status,
    discounted,
)
from perennial.domain.subscription.usage import close_usage, count_usage, due_date

_Change = c.ChangePlan | c.ChangeQuantity | c.ChangeAddOns


def change_plan(state: State, command: c.ChangePlan, at: datetime) -> Decision:
    if command.only_from:
        _check_unmoved(state, command)
    quantity = state.quantity if command.quantity is None else command.quantity
    addons = kept_addons(state, command.terms) if command.addons is None else command.addons
    return _change(state, _Wanted(command.terms, quantity, addons), command, at)


def kept_addons(state: State, terms: PlanTerms) -> tuple[AddOn, ...]:
    """Those that the new terms have too."""
    offered = {addon.code for addon in terms.addons}
    return tuple(addon for addon in state.addons if addon.code in offered)


def _check_unmoved(state: State, command: c.ChangePlan) -> None:
    """Moving everybody overrides nobody's own wish.

    Raises:
        MovedMeanwhile, ChangePending, CancellationPending: if there is one.
    """
    terms = state.terms
    if terms.code != command.terms.code or terms.version not in command.only_from:
        raise MovedMeanwhile(state.id, terms.code, terms.version)
    if state.scheduled_change:
        raise ChangePending(state.id)
    if state.cancellation:
        raise CancellationPending(state.id)


def change_quantity(state: State, command: c.ChangeQuantity, at: datetime) -> Decision:
    return _change(state, _Wanted(state.terms, command.quantity, state.addons), command, at)


def change_addons(state: State, command: c.ChangeAddOns, at: datetime) -> Decision:
    return _change(state, _Wanted(state.terms, state.quantity, command.addons), command, at)


@dataclass(frozen=True, slots=True)
class _Wanted:
    terms: PlanTerms
    quantity: int
    addons: tuple[AddOn, ...]

    def is_had_by(self, state: State) -> bool:
        same_plan = (self.terms.code, self.terms.version) == (state.terms.code, state.terms.version)
        return same_plan and self.quantity == state.quantity and set(self.addons) == set(state.addons)

    @property
    def data(self) -> dict[str, str]:
        terms = self.terms
        data = {"plan": terms.code, "version": str(terms.version), "quantity": str(self.quantity)}
        if self.addons:
            data["addons"] = ", ".join(f"{addon.code} x {addon.quantity}" for addon in self.addons)
        return data


def _change(state: State, wanted: _Wanted, command: _Change, at: datetime) -> Decision:
    check_quantity(wanted.terms, wanted.quantity, wanted.addons)
    if wanted.terms.currency != state.currency:
        raise CurrencyChange(state.id, state.currency, wanted.terms.currency)
    if wanted.is_had_by(state):
        if state.scheduled_change is None:
            raise SamePlan(state.id, wanted.terms.code)
        note = Note(at, "change_undone", command.actor, wanted.data)
        return Decision(replace(state, scheduled_change=None), notes=(note,))
    if command.when is c.When.PERIOD_END:
        require_nothing_overdue(state)
    else:
        require_settled(state)
    if state.prepaid_periods:
        raise PrepaidByGift(state.id)  # periods of one plan would be served on another, without a payment
    if command.when is c.When.PERIOD_END:
        return _schedule(state, wanted, command, at)
    if state.span.kind is SpanKind.PREPAID:
        raise PrepaidByGift(state.id)
    return _change_now(state, wanted, command, at)


def _schedule(state: State, wanted: _Wanted, command: c.Command, at: datetime) -> Decision:
    if state.cancellation:
        raise CancellationPending(state.id)
    change = ScheduledChange(state.period.end, wanted.terms, wanted.quantity, wanted.addons)
    note = Note(at, "change_scheduled", command.actor, wanted.data | {"at": change.at.isoformat()})
    return Decision(replace(state, scheduled_change=change), notes=(note,))


def apply_scheduled(state: State) -> Decision:
    """At the boundary, just before the renewal: the renewal then bills the new terms."""
    change = state.scheduled_change
    assert change is not None, "only a scheduled change falls due"
    wanted = _Wanted(change.terms, change.quantity, change.addons)
    state = _with(close_usage(replace(state, scheduled_change=None), change.at), wanted, state.period.end)
    return Decision(state, notes=(Note(change.at, "plan_changed", data=wanted.data),))


def _with(state: State, wanted: _Wanted, cycle_at: datetime) -> State:
    """Another interval needs another anchor: the boundary at which it begins."""
    if wanted.terms.interval != state.terms.interval:
        state = replace(state, anchor=calendar.to_wall(cycle_at, state.timezone), index=-1)
    return replace(state, terms=wanted.terms, quantity=wanted.quantity, addons=wanted.addons)


def _change_now(state: State, wanted: _Wanted, command: _Change, at: datetime) -> Decision:
    note = Note(at, "plan_changed", command.actor, wanted.data)
    message = Message(keys.notify("plan_changed", f"{state.id}:{command.request_id}"), "plan_changed")
    old = state
    state = _with(replace(state, scheduled_change=None), wanted, state.period.end)
    if state.status is Status.TRIALING:
        return Decision(state, notes=(note,), messages=(message,))
    basis = command.proration or old.terms.proration
    reset = wanted.terms.interval != old.terms.interval
    if reset or wanted.terms.charges != old.terms.charges:
        # What was used so far is charged as it was agreed then, with the next invoice.
        state = count_usage(replace(state, usage_due=close_usage(old, at).usage_due), at)
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
    return discounted(state.full_amount, state.period_discounts, state.terms.code)


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
    return replace(change, credit=min(change.credit, old.creditable))


def _restart_cycle(state: State, old: State, at: datetime) -> tuple[State, tuple[Span, ...]]:
    anchor = calendar.to_wall(at, state.timezone)
    period = Period(at, calendar.boundary(anchor, state.terms.interval, state.timezone, 1))
    span = Span(at, period.end, SpanKind.PAID, state.period_no + 1)
    cancellation = replace(state.cancellation, at=period.end) if state.cancellation else None
    pause = state.scheduled_pause.moved_to(period.end) if state.scheduled_pause else None
    restarted = replace(
        state,
        anchor=anchor,
        index=0,
        period=period,
        period_no=state.period_no + 1,
        span=span,
        discounts=after_a_period(state.discounts, state.terms.code),
        period_discounts=state.discounts,
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
        credit = Credit(
            key, "plan_change", state.currency, old.period_invoices, -change.net, refund=False, recurring=True
        )
        return state, (credit,)
    if not change.credit and not change.debit:
        return state, ()
    draft = _draft(state, old, change, request_id, at)
    due_at = draft.due_at
    collection = Collection(invoice=draft.key, attempt=0 if due_at else 1, in_flight=True, due_at=due_at)
    state = replace(state, collection=collection, period_invoices=(*old.period_invoices, draft.key))
    return state, (Bill(draft, state.payment_method_id, collect=due_at is None),)


def _draft(state: State, old: State, change: PlanChange, request_id: str, at: datetime) -> InvoiceDraft:
    unused, rest = Period(at, old.period.end), Period(at, state.period.end)
    lines = [
        replace(line, corrects=old.period_invoices)
        for line in _lines(LineKind.PRORATION_CREDIT, "Unused time on", old, -change.credit, unused)
    ]
    lines += _lines(LineKind.PRORATION_DEBIT, "Remaining time on", state, change.debit, rest)
    return InvoiceDraft(
        key=keys.change_invoice(state.id, request_id),
        reason="plan_change",
        currency=state.currency,
        period_no=state.period_no,
        period=rest,
        lines=tuple(lines),
        due_at=due_date(state, at),
        tax_inclusive=state.terms.tax_inclusive,
    )


def _lines(kind: LineKind, what: str, state: State, amount: int, period: Period) -> list[Line]:
    """The amount was rounded once; plan and add-ons share it by their prices."""
    items = state.terms.items(state.quantity, state.addons)
    weights = [item.amount for item in items]
    shares = allocate(amount, weights if any(weights) else [1] + [0] * (len(items) - 1))
    return [
        Line(
            kind,
            f"{what} {item.name}",
            Decimal(item.quantity),
            share,
            period,
            code=item.code,
            tax_inclusive=state.terms.tax_inclusive,
        )
        for item, share in zip(items, shares, strict=True)
        if share
    ]
