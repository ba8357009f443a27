"""The transition function. Everything that happens to a subscription passes through one of these functions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from perennial.domain import keys
from perennial.domain.errors import SubscriptionEnded
from perennial.domain.subscription import changes, commands, disputes, invoices, lifecycle, parking, payments, periods
from perennial.domain.subscription.due import Due, DueKind
from perennial.domain.subscription.effects import (
    Collect,
    Decision,
    Effect,
    Message,
    Note,
    PaymentFact,
    Settle,
    Trigger,
)
from perennial.domain.subscription.ending import close_invoices, end
from perennial.domain.subscription.state import Closing, State, Status

# How many request ids travel in the state. A repetition comes within seconds or, after a reset, in the same run.
REMEMBERED_REQUESTS = 20

_COMMANDS: dict[type[commands.Command], Callable[[State, Any, datetime], Decision]] = {
    commands.PauseSubscription: lifecycle.pause,
    commands.Resume: lifecycle.resume,
    commands.ChangePlan: changes.change_plan,
    commands.ChangeQuantity: changes.change_quantity,
    commands.ChangeAddOns: changes.change_addons,
    commands.Cancel: lifecycle.cancel,
    commands.UndoCancel: lifecycle.undo_cancel,
    commands.Reactivate: lifecycle.reactivate,
    commands.ApplyCoupon: lifecycle.apply_coupon,
    commands.SetPaymentMethod: lifecycle.set_payment_method,
    commands.ExtendTrial: lifecycle.extend_trial,
    commands.RetryPayment: lifecycle.retry_payment,
    commands.AddGift: lifecycle.add_gift,
    commands.SkipNext: lifecycle.skip_next,
    commands.PaymentEvent: lifecycle.payment_event,
    commands.DisputeEvent: disputes.learn,
    commands.SetDunning: lifecycle.set_dunning,
    commands.GiveUpInvoice: invoices.give_up_invoice,
    commands.RecordPayment: invoices.record_payment,
    commands.CreditInvoice: invoices.credit_invoice,
    commands.Park: parking.park,
    commands.Unpark: parking.unpark,
}
# What gateways tell may come twice without harm: it must not crowd out what people asked for.
_NEWS = (commands.PaymentEvent, commands.DisputeEvent)
_AFTER_THE_END = (commands.Reactivate, commands.PaymentEvent, commands.DisputeEvent, commands.CreditInvoice)
_WHILE_SOMETHING_IS_OWED = (
    commands.SetPaymentMethod,
    commands.RetryPayment,
    commands.GiveUpInvoice,
    commands.RecordPayment,
)


def begin(state: State) -> Decision:
    """The first step of a new subscription."""
    return _stamped(periods.begin(state), state.created_at)


def decide(state: State, command: commands.Command, at: datetime) -> Decision:
    """Obey a command that is effective at `at` (UTC). What is due before `at` has been acted upon.

    Whole seconds, as periods have: a fraction in a boundary would help nobody.

    Raises:
        CommandRefused: one of its kinds, when the state does not allow the command. Nothing has happened then.
    """
    if not may_be_asked(state, command):
        raise SubscriptionEnded(state.id, state.status.value)
    parking.refuse_while_parked(state, command)
    at = max(at.replace(microsecond=0), state.as_of)
    decision = _stamped(_COMMANDS[type(command)](state, command, at), at)
    if isinstance(command, _NEWS):
        return decision
    applied = (*decision.state.applied, command.request_id)[-REMEMBERED_REQUESTS:]
    return replace(decision, state=replace(decision.state, applied=applied))


def may_be_asked(state: State, command: commands.Command) -> bool:
    """An ended subscription can only begin again; and its last invoices can be paid, given up or corrected."""
    if not state.status.is_ended or isinstance(command, _AFTER_THE_END):
        return True
    return state.collection is not None and isinstance(command, _WHILE_SOMETHING_IS_OWED)


def act(state: State, due: Due) -> Decision:
    """Do what is due; `due` comes from `next_due(state)`."""
    return _stamped(_act(state, due), due.at)


def settle(state: State, fact: PaymentFact, at: datetime) -> Decision:
    """Learn what became of a payment."""
    return _stamped(payments.settle(state, fact, at), at)


def resume_work(state: State) -> Effect | None:
    """The effect that was running when the state was recorded, if any: a workflow started from a row runs it again.

    Its business key is the old one, so it finds what it has already done.
    """
    case = state.collection
    if case is None or not case.in_flight:
        return None
    if case.closing:
        return close_invoices(state, case.closing).effects[0]
    if case.due_at and not case.attempt:
        return Settle(case.invoice, 0)
    return Collect(case.invoice, max(case.attempt, 1), state.payment_method_id, Trigger.AUTOMATIC)


def _stamped(decision: Decision, at: datetime) -> Decision:
    state = decision.state
    return replace(decision, state=replace(state, step=state.step + 1, as_of=max(state.as_of, at)))


def _act(state: State, due: Due) -> Decision:  # noqa: C901, PLR0911 - one line a kind
    match due.kind:
        case DueKind.DISPUTE:
            return disputes.act(state, due.at)
        case DueKind.TRIAL_END | DueKind.RENEWAL:
            return periods.renew(state)
        case DueKind.PAYMENT_RETRY:
            return payments.retry_by_policy(state)
        case DueKind.PAYMENT_OVERDUE:
            return payments.overdue(state, due.at)
        case DueKind.GRACE_END:
            return payments.suspend(state, due.at)
        case DueKind.DUNNING_END:
            return payments.close_dunning(state, due.at)
        case DueKind.EXPIRY:
            return close_invoices(state, Closing.EXPIRE)
        case DueKind.CANCELLATION:
            return _cancel(state, due.at)
        case DueKind.PAUSE:
            until = state.scheduled_pause.until if state.scheduled_pause else None
            return lifecycle.pause_now(state, due.at, until)
        case DueKind.RESUME:
            return lifecycle.resume_now(state, due.at)
        case DueKind.CHANGE:
            return changes.apply_scheduled(state)
        case DueKind.TRIAL_REMINDER | DueKind.RENEWAL_REMINDER | DueKind.GIFT_REMINDER:
            return _remind(state, due)


def _cancel(state: State, at: datetime) -> Decision:
    if state.collection and state.collection.is_overdue:
        return close_invoices(state, Closing.REQUEST)
    reason = state.cancellation.reason if state.cancellation else "requested"
    return end(state, at, Status.CANCELED, reason)


_REMINDERS = {
    DueKind.TRIAL_REMINDER: "trial_ending",
    DueKind.RENEWAL_REMINDER: "renewal_reminder",
    DueKind.GIFT_REMINDER: "gift_ending",
}


def _remind(state: State, due: Due) -> Decision:
    kind = _REMINDERS[due.kind]
    data = {
        "plan": state.terms.name,
        "ends_at": state.period.end.isoformat(),
        "amount": str(state.discounted_amount),
        "currency": state.currency,
    }
    # The day belongs to the name: an end that has moved is told again.
    subject = f"{state.id}:{state.period_no}:{state.period.end:%Y-%m-%d}"
    message = Message(keys.notify(kind, subject), kind, data)
    note = Note(due.at, kind, data={"ends_at": data["ends_at"]})
    return Decision(replace(state, reminded_period=state.period_no), notes=(note,), messages=(message,))
