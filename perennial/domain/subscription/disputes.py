"""What a disputed charge does to its subscription: nothing, a freeze until the bank has decided, or the end.

News of disputes is only remembered when it comes (`learn`). What it asks for is due at once (`answer`, `act`), so that
it also happens when the subscription could not obey in that moment: parked, unpaid, or waiting for a first payment.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from perennial.domain.catalog import DisputePolicy
from perennial.domain.disputes import Dispute, DisputeStatus, is_later
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import Decision, Note
from perennial.domain.subscription.ending import cancel_now, close_invoices
from perennial.domain.subscription.lifecycle import pause_now, resume_now
from perennial.domain.subscription.state import Cancellation, Closing, State

REASON = "disputed"
# Of those that are decided: late news of one must be known for late.
_REMEMBERED = 20
_NOTES = {
    DisputeStatus.OPEN: "dispute_opened",
    DisputeStatus.WON: "dispute_won",
    DisputeStatus.LOST: "dispute_lost",
}


class Answer(StrEnum):
    FREEZE = "freeze"
    THAW = "thaw"
    CANCEL = "cancel"


def learn(state: State, command: c.DisputeEvent, at: datetime) -> Decision:
    """Remember what the gateway says. News that is older than the bank's decision changes nothing."""
    known = {dispute.ref: dispute for dispute in state.disputes}
    before = known.get(command.dispute)
    if before is None and _is_of_a_life_before(state, command):
        return Decision(state)
    later = before is not None and is_later(command.told_at, before.told_at)
    status = command.status.after(before.status if before else None, later=later)
    if before and status is before.status:
        return Decision(_decided_again(state, command) if later and status is command.status else state)
    known.pop(command.dispute, None)
    disputes = (*known.values(), Dispute(command.dispute, command.invoice, status, told_at=command.told_at))
    closed = [dispute.ref for dispute in disputes if dispute.status is not DisputeStatus.OPEN]
    forgotten = closed[:-_REMEMBERED]
    state = replace(state, disputes=tuple(each for each in disputes if each.ref not in forgotten))
    data = {"dispute": command.dispute, "invoice": command.invoice}
    return Decision(_pause_held_back(state, at), notes=(Note(at, _NOTES[status], command.actor, data),))


def _decided_again(state: State, command: c.DisputeEvent) -> State:
    """The same as before, and later: what was decided in between is old by now."""
    disputes = (
        replace(each, told_at=command.told_at) if each.ref == command.dispute else each for each in state.disputes
    )
    return replace(state, disputes=tuple(disputes))


def _is_of_a_life_before(state: State, command: c.DisputeEvent) -> bool:
    """Decided before the customer came back: what is told of it again does not end what was begun, and paid, since."""
    is_decided = command.status is not DisputeStatus.OPEN
    return bool(is_decided and state.reactivated_at and command.at and command.at <= state.reactivated_at)


def _pause_held_back(state: State, at: datetime) -> State:
    """A pause of the customer's own that should have ended during the freeze ends now."""
    pause = state.pause
    if pause is None or pause.until is None or state.is_frozen:
        return state
    return replace(state, pause=replace(pause, until=max(pause.until, at)))


def answer(state: State) -> Answer | None:
    """What the disputes ask for and has not been done."""
    if state.status.is_ended:
        return None
    if any(_ends(state, dispute) for dispute in state.disputes):
        return Answer.CANCEL
    if state.is_frozen:
        return Answer.FREEZE if state.status.renews else None
    return Answer.THAW if state.pause and state.pause.frozen else None


def _ends(state: State, dispute: Dispute) -> bool:
    if dispute.answered or state.terms.on_dispute is DisputePolicy.KEEP:
        return False
    at_once = state.terms.on_dispute is DisputePolicy.CANCEL and dispute.status is DisputeStatus.OPEN
    return at_once or dispute.status is DisputeStatus.LOST


def act(state: State, at: datetime) -> Decision:
    """Do what they ask for."""
    match answer(state):
        case Answer.FREEZE:
            return _freeze(state, at)
        case Answer.THAW:
            return _thaw(state, at)
        case _:
            return _cancel(state, at)


def _freeze(state: State, at: datetime) -> Decision:
    """A pause that only the end of the dispute lifts. Nobody is told: the cardholder has chosen to talk to the bank."""
    paused = pause_now(state, at, None)
    assert paused.state.pause is not None, "it has just been paused"
    pause = replace(paused.state.pause, frozen=True)
    frozen = replace(paused.state, pause=pause, scheduled_pause=state.scheduled_pause)
    return Decision(frozen, notes=(Note(at, "frozen"),), spans=paused.spans)


def _thaw(state: State, at: datetime) -> Decision:
    """As after a pause; what waited for the end of the period moves with it."""
    resumed = resume_now(state, at)
    end = resumed.state.period.end
    cancellation, pause = state.cancellation, state.scheduled_pause
    thawed = replace(
        resumed.state,
        cancellation=replace(cancellation, at=end) if cancellation else None,
        scheduled_pause=pause.moved_to(end) if pause else None,
    )
    return Decision(thawed, notes=(Note(at, "unfrozen"),), spans=resumed.spans)


def _cancel(state: State, at: datetime) -> Decision:
    """It ends at once and nothing is given back. What it owed besides is given up, as with any end at once."""
    answered = tuple(replace(each, answered=each.answered or _ends(state, each)) for each in state.disputes)
    asked = Cancellation(at, REASON)
    state = replace(state, disputes=answered)
    if state.collection and state.collection.is_overdue:
        return close_invoices(replace(state, cancellation=asked), Closing.REQUEST)
    return cancel_now(state, asked, at)
