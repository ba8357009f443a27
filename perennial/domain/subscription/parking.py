"""Parked: support has put a subscription aside. It does nothing by itself and obeys nobody until it is unparked.

Money that arrives is written down all the same. What follows from it, like everything that falls due meanwhile, waits.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from perennial.domain.errors import CommandRefused
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import Decision, Note, Settle
from perennial.domain.subscription.state import Collection, State

_WHILE_PARKED = (c.Unpark, c.PaymentEvent, c.DisputeEvent)


class SubscriptionParked(CommandRefused):
    code = "subscription_parked"

    def __init__(self, subscription: str, since: datetime) -> None:
        super().__init__(
            subscription, f"support has parked the subscription ({since:%Y-%m-%d %H:%M} UTC): unpark it first"
        )


class NotParked(CommandRefused):
    code = "not_parked"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "the subscription is not parked")


def refuse_while_parked(state: State, command: c.Command) -> None:
    """Raises SubscriptionParked: until it is unparked only a gateway is listened to."""
    if state.parked_at and not isinstance(command, _WHILE_PARKED):
        raise SubscriptionParked(state.id, state.parked_at)


def park(state: State, command: c.Park, at: datetime) -> Decision:
    return Decision(replace(state, parked_at=at), notes=(Note(at, "parked", command.actor),))


def unpark(state: State, command: c.Unpark, at: datetime) -> Decision:
    """What fell due meanwhile is done next, in its order. First it is asked what became of the open invoices."""
    if state.parked_at is None:
        raise NotParked(state.id)
    case = state.collection
    if case and state.pause is None:  # a pause moves the dates of a case by itself, when it ends
        case = _moved(case, at - state.parked_at, at)
    note = Note(at, "unparked", command.actor, {"parked_at": state.parked_at.isoformat()})
    effects = _questions(case) if case else ()
    return Decision(replace(state, parked_at=None, collection=case), effects=effects, notes=(note,))


def _moved(case: Collection, by: timedelta, at: datetime) -> Collection:
    """A dunning case stands still as well: nobody is to see a week of retries within a second."""
    if case.first_failed_at is None:
        return case
    return replace(case, first_failed_at=min(case.first_failed_at + by, at))


def _questions(case: Collection) -> tuple[Settle, ...]:
    """Whether each invoice that is open was paid meanwhile."""
    return (Settle(case.invoice, case.attempt), *(Settle(arrear.invoice, 1) for arrear in case.arrears))
