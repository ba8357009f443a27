"""What a payment's outcome means: activation, recovery, dunning and its end."""

from dataclasses import replace
from datetime import datetime

from perennial.domain import calendar, dunning, keys
from perennial.domain.calendar import Period
from perennial.domain.declines import DeclineClass, classify
from perennial.domain.dunning import CaseMessage, DunningPolicy, FinalAction, HardDecline
from perennial.domain.subscription.effects import (
    Collect,
    Decision,
    Message,
    Note,
    PaymentFact,
    PaymentStatus,
    Trigger,
)
from perennial.domain.subscription.ending import cancel_now, close_invoices, end
from perennial.domain.subscription.periods import enter_new_cycle
from perennial.domain.subscription.state import (
    Closing,
    Collection,
    Discount,
    Pause,
    Span,
    SpanKind,
    State,
    Status,
    WaitsFor,
)

NO_PAYMENT_METHOD = "no_payment_method"
AMOUNT_TOO_LARGE = "amount_too_large"
# A further failure does not move these: what is paused has its case standing still, what is unpaid has lost it.
_STAYS = (Status.INCOMPLETE, Status.UNPAID, Status.PAUSED, Status.CANCELED, Status.EXPIRED)
AUTHENTICATION_REQUIRED = "authentication_required"
OVERDUE = "overdue"


def settle(state: State, fact: PaymentFact, at: datetime) -> Decision:
    """The next state, knowing what became of an invoice at domain time `at`. News of a settled one changes nothing.

    While it is parked the news is in the books alone; `unpark` asks again, and what follows from it follows then.
    """
    case = state.collection
    if state.parked_at or case is None or fact.invoice not in case.open_invoices:
        return Decision(state)
    gone = fact.status in (PaymentStatus.PAID, PaymentStatus.CLOSED)
    if fact.status is PaymentStatus.OPEN and fact.invoice == case.invoice and case.due_at and case.in_flight:
        return _sent(state, replace(case, policy=fact.policy), at)
    is_old = fact.status is PaymentStatus.OPEN or fact.attempt < case.attempt
    if is_old and not gone:
        return Decision(state)  # late news of an attempt that has been followed by another one
    if fact.status is PaymentStatus.CLOSED:
        state = _without_credit_for(state, fact.invoice)
    if fact.invoice != case.invoice:
        arrears = tuple(each for each in case.arrears if each.invoice != fact.invoice) if gone else case.arrears
        return Decision(replace(state, collection=replace(case, arrears=arrears)))
    if gone:
        return _gone(state, case, fact, at)
    return _failed(state, case, fact, at)


def attempt(state: State, trigger: Trigger, method: str | None = None) -> Decision:
    """One more attempt at the open invoice, with the subscription's payment method unless another is named."""
    case = state.collection
    assert case is not None, "there is an open invoice"
    case = replace(case, attempt=case.attempt + 1, in_flight=True)
    effect = Collect(case.invoice, case.attempt, method or state.payment_method_id, trigger)
    return Decision(replace(state, collection=case), effects=(effect,))


def retry_by_policy(state: State) -> Decision:
    case = state.collection
    assert case is not None, "a retry is due only in a case"
    state = replace(state, collection=replace(case, retries_used=case.retries_used + 1))
    return attempt(state, Trigger.SCHEDULE)


def _sent(state: State, case: Collection, at: datetime) -> Decision:
    """The invoice is on its way to the customer, who has time to pay it; service begins."""
    state = replace(state, collection=replace(case, in_flight=False))
    return _activated(state, at) if state.status is Status.INCOMPLETE else Decision(state)


def overdue(state: State, at: datetime) -> Decision:
    """The time to pay a sent invoice is over: from now on it is a case like a payment that was declined."""
    case = state.collection
    assert case is not None, "only an open invoice becomes overdue"
    case = replace(case, first_failed_at=at, code=OVERDUE, waits_for=WaitsFor.CUSTOMER)
    status = state.status if state.status in _STAYS else Status.PAST_DUE
    pause = replace(state.pause, was=Status.PAST_DUE) if state.pause else None
    data = {"invoice": keys.invoice_id(case.invoice)}
    message = _message(state, CaseMessage.PAYMENT_OVERDUE, case.invoice, data)
    note = Note(at, "payment_overdue", data={"invoice": case.invoice})
    return Decision(replace(state, collection=case, status=status, pause=pause), notes=(note,), messages=(message,))


def _next_in_arrears(state: State, case: Collection, at: datetime) -> Decision:
    """The oldest of the further invoices takes its turn: charged at once, or, if it was sent, waited for."""
    first, rest = case.arrears[0], case.arrears[1:]
    if first.due_at is None:
        return attempt(
            replace(state, collection=replace(case, invoice=first.invoice, due_at=None, arrears=rest, attempt=0)),
            Trigger.ARREARS,
        )
    state = replace(
        state,
        collection=Collection(
            first.invoice, attempt=0, in_flight=False, due_at=first.due_at, arrears=rest, policy=case.policy
        ),
    )
    return overdue(state, at) if first.due_at <= at else _settled(state, at)


def _without_credit_for(state: State, invoice: str) -> State:
    """What was not paid for is not credited later; the invoice of an upgrade holds the credit for the old rest."""
    if invoice not in state.period_invoices:
        return state
    others = len(state.period_invoices) > 1
    return replace(state, period_amount=0, period_billed=state.period_billed if others else 0)


def _gone(state: State, case: Collection, fact: PaymentFact, at: datetime) -> Decision:
    paid = fact.status is PaymentStatus.PAID
    by_request = case.closing in (Closing.VOID, Closing.WRITE_OFF)
    if case.arrears and case.closing and not by_request:
        first, rest = case.arrears[0], case.arrears[1:]
        following = replace(case, invoice=first.invoice, due_at=first.due_at, arrears=rest, attempt=0)
        return close_invoices(replace(state, collection=following), case.closing)
    if case.arrears:
        return _next_in_arrears(state, replace(case, closing=None), at)
    policy, step = state.policy, case.retries_used
    state = replace(state, collection=None)
    if not paid and state.status is Status.INCOMPLETE:
        state = replace(state, discounts=_unused_discounts(state))
    if case.closing is Closing.REQUEST and state.cancellation:
        return cancel_now(state, state.cancellation, at)
    if paid:
        return _settled(state, at)
    if case.closing is Closing.EXPIRE or state.status is Status.INCOMPLETE:
        return end(state, at, Status.EXPIRED, "first_payment_not_settled")
    return _settled(state, at) if by_request else _after_dunning(state, at, policy, step)


def _unused_discounts(state: State) -> tuple[Discount, ...]:
    """The period that a coupon was used for never began: it is there again for whoever comes back."""
    used = {discount.coupon for discount in state.period_discounts}
    return (*state.period_discounts, *(each for each in state.discounts if each.coupon not in used))


def _settled(state: State, at: datetime) -> Decision:
    """Nothing is owed any more, or nothing yet."""
    match state.status:
        case Status.INCOMPLETE:
            return _activated(state, at)
        case Status.PAST_DUE:
            return Decision(replace(state, status=Status.ACTIVE), notes=(Note(at, "recovered"),))
        case Status.UNPAID:
            return _back_from_unpaid(replace(state, status=Status.ACTIVE), at)
        case Status.PAUSED if state.pause and state.pause.was is Status.PAST_DUE:
            pause = replace(state.pause, was=Status.ACTIVE)
            return Decision(replace(state, pause=pause), notes=(Note(at, "recovered"),))
        case _:
            return Decision(state)


def _activated(state: State, at: datetime) -> Decision:
    state = replace(state, status=Status.ACTIVE, incomplete_until=None, fees_billed=True)
    message = Message(keys.notify("subscription_started", f"{state.id}:{state.period_no}"), "subscription_started")
    return Decision(state, notes=(Note(at, "activated"),), messages=(message,))


def _back_from_unpaid(state: State, at: datetime) -> Decision:
    gap = Span(state.span.start, at, SpanKind.UNPAID, state.period_no)
    note = Note(at, "recovered")
    if at < state.period.end:
        span = Span(at, state.period.end, SpanKind.PAID, state.period_no)
        return Decision(replace(state, span=span), notes=(note,), spans=(gap, span))
    if state.is_frozen:
        span = Span(at, None, SpanKind.PAUSED, state.period_no)
        return Decision(_paused_anew(replace(state, span=span), at, frozen=True), notes=(note,), spans=(gap, span))
    decision = enter_new_cycle(state, at, period_no=state.period_no + 1)
    return replace(decision, notes=(note, *decision.notes), spans=(gap, *decision.spans))


def _paused_anew(state: State, at: datetime, *, frozen: bool = False) -> State:
    """Paused with nothing left of the period: when the pause ends, a new one begins."""
    return replace(
        state,
        status=Status.PAUSED,
        pause=Pause(at, None, Status.ACTIVE, SpanKind.PAID, frozen=frozen),
        period=Period(state.period.start, max(at, state.period.start)),
        anchor=calendar.to_wall(at, state.timezone),
        index=-1,
    )


def _failed(state: State, case: Collection, fact: PaymentFact, at: datetime) -> Decision:
    """Declined, waiting for the customer's bank, or nothing to charge."""
    needs_customer = fact.status is PaymentStatus.ACTION_REQUIRED
    kind = DeclineClass.NEEDS_CUSTOMER if needs_customer else _classify(fact.code, fact.at)
    code = fact.code or (AUTHENTICATION_REQUIRED if needs_customer else None)
    if not case.in_flight and code == case.code:
        return Decision(state)  # the gateway says again what is known
    if case.waits_for is WaitsFor.CUSTOMER and kind is DeclineClass.SOFT:
        case = skip_past_retries(state, case, at)
    case = replace(
        case,
        in_flight=False,
        first_failed_at=case.first_failed_at or fact.at,
        policy=case.policy if case.first_failed_at else fact.policy,
        code=code,
        waits_for=_waits_for(case, kind),
        closing=None,
    )
    status = state.status if state.status in _STAYS else Status.PAST_DUE
    state = replace(state, collection=case, status=status)
    note = Note(fact.at, "payment_failed", data={"code": code or "", "attempt": str(fact.attempt)})
    if fact.backup and not case.backup_tried and not needs_customer:
        state = replace(state, collection=replace(case, backup_tried=True))
        decision = attempt(state, Trigger.BACKUP, fact.backup)
        return replace(decision, notes=(note,))
    gives_up = kind is DeclineClass.HARD and state.policy.on_hard_decline is HardDecline.FINAL_ACTION
    if gives_up and status is Status.PAST_DUE:
        decision = close_dunning(state, at)
        return replace(decision, notes=(note, *decision.notes))
    return Decision(state, notes=(note,))


def _classify(code: str | None, at: datetime) -> DeclineClass:
    return classify(code, at) if code else DeclineClass.HARD


def _message(state: State, kind: CaseMessage, subject: str, data: dict[str, str] | None = None) -> Message:
    """By the channels that the policy of the case wants at the step where it stands."""
    step = state.collection.retries_used if state.collection else 0
    return Message(keys.notify(kind, subject), kind.value, data or {}, state.policy.channels(kind, step))


def _waits_for(case: Collection, kind: DeclineClass) -> WaitsFor | None:
    """A card that was declined for good does not become better by another answer."""
    if kind is DeclineClass.HARD or case.waits_for is WaitsFor.NEW_METHOD:
        return WaitsFor.NEW_METHOD
    return WaitsFor.CUSTOMER if kind is DeclineClass.NEEDS_CUSTOMER else None


def unblocked(state: State, at: datetime, come: WaitsFor) -> State:
    """What the case waited for has come: later retries count again, those whose time has passed meanwhile do not."""
    case = state.collection
    if case is None or case.waits_for is None or (case.waits_for is WaitsFor.NEW_METHOD and come is not case.waits_for):
        return state
    return replace(state, collection=replace(skip_past_retries(state, case, at), waits_for=None))


def skip_past_retries(state: State, case: Collection, at: datetime) -> Collection:
    policy, used = state.policy, case.retries_used
    while (
        case.first_failed_at is not None
        and used < len(policy.retry_offsets_days)
        and dunning.retry_at(policy, case.first_failed_at, state.timezone, used, case.code) <= at
    ):
        used += 1
    return replace(case, retries_used=used)


def suspend(state: State, at: datetime) -> Decision:
    """The grace period is over: access ends, the case goes on."""
    case = state.collection
    assert case is not None, "grace ends only in a case"
    message = _message(state, CaseMessage.ACCESS_SUSPENDED, case.invoice)
    state = replace(state, collection=replace(case, suspended=True))
    return Decision(state, notes=(Note(at, "access_suspended"),), messages=(message,))


def close_dunning(state: State, at: datetime) -> Decision:
    """The policy is exhausted. `unpaid` leaves the invoices open, everything else gives them up first."""
    if state.policy.final_action is not FinalAction.UNPAID:
        return close_invoices(state, Closing.DUNNING)
    case = state.collection
    assert case is not None, "dunning ends only in a case"
    served = replace(state.span, end=max(at, state.span.start))
    span = Span(served.end or at, None, SpanKind.UNPAID, state.period_no)
    state = replace(
        state,
        status=Status.UNPAID,
        collection=replace(case, waits_for=case.waits_for or WaitsFor.CUSTOMER),
        scheduled_pause=None,
        span=span,
    )
    message = _message(state, CaseMessage.SUBSCRIPTION_UNPAID, case.invoice)
    return Decision(state, notes=(Note(at, "unpaid"),), messages=(message,), spans=(served, span))


def _after_dunning(state: State, at: datetime, policy: DunningPolicy, step: int) -> Decision:
    """The invoices have been given up; what the policy of the case says happens to the subscription."""
    match policy.final_action:
        case FinalAction.PAUSE if state.cancellation:
            return end(state, at, Status.CANCELED, state.cancellation.reason)
        case FinalAction.PAUSE:
            # What was served is not owed any more and what is left was never paid: resuming starts a new period.
            served = replace(state.span, end=max(at, state.span.start))
            span = Span(served.end or at, None, SpanKind.PAUSED, state.period_no)
            state = _paused_anew(replace(state, scheduled_pause=None, span=span), at)
            kind = CaseMessage.SUBSCRIPTION_PAUSED
            channels = policy.channels(kind, step)
            message = Message(keys.notify(kind, f"{state.id}:{state.step}"), kind.value, channels=channels)
            return Decision(state, notes=(Note(at, "paused"),), messages=(message,), spans=(served, span))
        case FinalAction.SKIP:
            return Decision(replace(state, status=Status.ACTIVE), notes=(Note(at, "payment_skipped"),))
        case _:
            decision = end(state, at, Status.CANCELED, "payment_failed")
            channels = policy.channels(CaseMessage.SUBSCRIPTION_CANCELED, step)
            return replace(decision, messages=tuple(replace(each, channels=channels) for each in decision.messages))
