"""A gift: bought by one, claimed by another, who then has a prepaid subscription. Pure, like the subscription.

pending -> scheduled -> delivered -> claimed | expired; canceled before the claim; payment_failed at once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from perennial.domain import calendar, keys
from perennial.domain.calendar import Period
from perennial.domain.catalog import PlanTerms
from perennial.domain.errors import GiftNotCancelable, GiftNotClaimable, InvalidInput
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import (
    Bill,
    CloseInvoice,
    Credit,
    Effect,
    InvoiceDraft,
    Line,
    LineKind,
    Message,
    Note,
    PaymentFact,
    PaymentStatus,
    Settle,
)
from perennial.domain.subscription.opening import INCOMPLETE_FOR, Opening

# How long a delivered gift can be claimed.
CLAIMABLE_DAYS = 365
MAX_PERIODS = 120


class GiftStatus(StrEnum):
    PENDING = "pending"
    SCHEDULED = "scheduled"
    DELIVERED = "delivered"
    CLAIMED = "claimed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    PAYMENT_FAILED = "payment_failed"

    @property
    def is_ended(self) -> bool:
        return self not in (GiftStatus.PENDING, GiftStatus.SCHEDULED, GiftStatus.DELIVERED)


class GiftDueKind(StrEnum):
    """In the order of equal instants."""

    PAYMENT_EXPIRY = "payment_expiry"
    DELIVERY = "delivery"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class GiftDue:
    kind: GiftDueKind
    at: datetime


@dataclass(frozen=True, slots=True)
class GiftState:
    """`deliver_at`, `expires_at` UTC; days are counted in `timezone`. Nothing in it says who the recipient is."""

    id: str
    giver_id: str
    terms: PlanTerms
    quantity: int
    periods: int
    timezone: str
    status: GiftStatus
    created_at: datetime
    as_of: datetime
    deliver_at: datetime
    payment_method_id: str | None
    expires_at: datetime | None = None
    recipient_id: str | None = None
    subscription_id: str | None = None
    test_clock_id: str | None = None
    clock_offset: timedelta = timedelta()
    step: int = 0

    @property
    def invoice(self) -> str:
        return keys.gift_invoice(self.id)

    @property
    def amount(self) -> int:
        """What the giver pays, minor units."""
        return self.terms.amount(self.quantity) * self.periods


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimGift(c.Command):
    """`subscription_id` is the subscription that the claim brings into being."""

    customer_id: str
    subscription_id: str
    timezone: str
    payment_method_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelGift(c.Command):
    pass


@dataclass(frozen=True, slots=True)
class GiftDecision:
    state: GiftState
    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()
    opening: Opening | None = None


def check_periods(periods: int) -> None:
    if not 1 <= periods <= MAX_PERIODS:
        message = f"must be between 1 and {MAX_PERIODS}"
        raise InvalidInput(message, field="periods")


def next_due(state: GiftState) -> GiftDue | None:
    match state.status:
        case GiftStatus.PENDING:
            return GiftDue(GiftDueKind.PAYMENT_EXPIRY, state.created_at + INCOMPLETE_FOR)
        case GiftStatus.SCHEDULED:
            return GiftDue(GiftDueKind.DELIVERY, state.deliver_at)
        case GiftStatus.DELIVERED if state.expires_at:
            return GiftDue(GiftDueKind.EXPIRY, state.expires_at)
        case _:
            return None


def buy(state: GiftState) -> GiftDecision:
    """The giver pays at once, and only once: a run that takes over from a lost one finds what that one has done."""
    data = {"plan": state.terms.code, "periods": str(state.periods)}
    effect = Bill(draft(state), state.payment_method_id)
    notes = () if state.step else (Note(state.created_at, "gift_bought", data=data),)
    return GiftDecision(_step(state, state.created_at), (effect,), notes)


def draft(state: GiftState) -> InvoiceDraft:
    """The giver's invoice. Its line has no service period yet: that begins with the claim."""
    period = Period(state.created_at, state.created_at)
    line = Line(
        LineKind.GIFT,
        f"Gift: {state.terms.name}, {state.periods} x {state.terms.interval}",
        Decimal(state.quantity * state.periods),
        state.amount,
        period,
    )
    return InvoiceDraft(state.invoice, "gift", state.terms.currency, 0, period, (line,))


def settle(state: GiftState, fact: PaymentFact) -> GiftDecision:
    """What became of the giver's payment. A refused one ends the gift; the giver may buy another."""
    at = max(fact.at, state.as_of)
    if state.status is GiftStatus.CANCELED and fact.status is PaymentStatus.PAID:
        # Canceled while it was being paid, and the payment was first.
        return GiftDecision(_step(state, at), (_refund(state),), (Note(at, "gift_paid"),))
    if state.status is not GiftStatus.PENDING:
        return GiftDecision(state)
    state = _step(state, at)
    match fact.status:
        case PaymentStatus.PAID:
            paid = replace(state, status=GiftStatus.SCHEDULED)
            return GiftDecision(paid, notes=(Note(at, "gift_paid"),))
        case PaymentStatus.DECLINED:
            failed = replace(state, status=GiftStatus.PAYMENT_FAILED)
            note = Note(at, "gift_payment_failed", data={"code": fact.code or ""})
            return GiftDecision(failed, (CloseInvoice(state.invoice, "void"),), (note,))
        case PaymentStatus.CLOSED:
            return GiftDecision(replace(state, status=GiftStatus.PAYMENT_FAILED), notes=(Note(at, "gift_lapsed"),))
        case _:
            return GiftDecision(state)


def act(state: GiftState, due: GiftDue) -> GiftDecision:
    """Do what is due; `due` comes from `next_due(state)`."""
    state = _step(state, due.at)
    data = {"gift": state.id, "plan": state.terms.name, "periods": str(state.periods)}
    match due.kind:
        case GiftDueKind.PAYMENT_EXPIRY:
            # The answer decides: it may have been paid at the last moment.
            return GiftDecision(state, (CloseInvoice(state.invoice, "void"),))
        case GiftDueKind.DELIVERY:
            expires = calendar.add_local_days(due.at, CLAIMABLE_DAYS, state.timezone)
            state = replace(state, status=GiftStatus.DELIVERED, expires_at=expires)
            message = Message(keys.notify("gift_delivered", state.id), "gift_delivered", data)
            return GiftDecision(state, notes=(Note(due.at, "gift_delivered"),), messages=(message,))
        case GiftDueKind.EXPIRY:
            state = replace(state, status=GiftStatus.EXPIRED)
            message = Message(keys.notify("gift_expired", state.id), "gift_expired", data)
            return GiftDecision(state, notes=(Note(due.at, "gift_expired"),), messages=(message,))


def decide(state: GiftState, command: c.Command, at: datetime) -> GiftDecision:
    """Obey a command that is effective at `at` (UTC).

    Raises:
        GiftNotClaimable, GiftNotCancelable: it is in no state for that.
    """
    match command:
        case ClaimGift():
            return claim(state, command, at)
        case CancelGift():
            return cancel(state, command, at)
        case c.PaymentEvent():
            return payment_event(state, command.attempt)
        case _:
            msg = f"{type(command).__name__} is no command of a gift"
            raise AssertionError(msg)


def claim(state: GiftState, command: ClaimGift, at: datetime) -> GiftDecision:
    """The recipient's subscription begins with the claim.

    Raises:
        GiftNotClaimable: not delivered yet, claimed already, expired or canceled.
    """
    if state.status is not GiftStatus.DELIVERED:
        raise GiftNotClaimable(state.id, _UNCLAIMABLE.get(state.status, f"the gift is {state.status.value}"))
    opening = Opening(
        id=command.subscription_id,
        customer_id=command.customer_id,
        terms=state.terms,
        quantity=state.quantity,
        timezone=command.timezone,
        start=at,
        payment_method_id=command.payment_method_id,
        prepaid_periods=state.periods,
        gift_id=state.id,
        test_clock_id=state.test_clock_id,
        clock_offset=state.clock_offset,
    )
    claimed = replace(
        _step(state, at),
        status=GiftStatus.CLAIMED,
        recipient_id=command.customer_id,
        subscription_id=command.subscription_id,
    )
    data = {"gift": state.id, "plan": state.terms.name, "periods": str(state.periods)}
    note = Note(at, "gift_claimed", command.actor, {"subscription": command.subscription_id})
    message = Message(keys.notify("gift_claimed", state.id), "gift_claimed", data)
    return GiftDecision(claimed, notes=(note,), messages=(message,), opening=opening)


_UNCLAIMABLE = {
    GiftStatus.PENDING: "the gift has not been paid yet",
    GiftStatus.SCHEDULED: "the gift has not been delivered yet",
    GiftStatus.CLAIMED: "the gift has been claimed already",
    GiftStatus.EXPIRED: "the gift has expired",
    GiftStatus.CANCELED: "the gift has been canceled",
}


def cancel(state: GiftState, command: CancelGift, at: datetime) -> GiftDecision:
    """The giver gets everything back, as long as nobody has claimed it.

    Raises:
        GiftNotCancelable: claimed, or ended otherwise.
    """
    if state.status.is_ended:
        raise GiftNotCancelable(state.id, f"the gift is {state.status.value}")
    note = Note(at, "gift_canceled", command.actor)
    canceled = replace(_step(state, at), status=GiftStatus.CANCELED)
    if state.status is GiftStatus.PENDING:
        return GiftDecision(canceled, (CloseInvoice(state.invoice, "void"),), (note,))
    return GiftDecision(canceled, (_refund(state),), (note,))


def _refund(state: GiftState) -> Credit:
    """All that the giver has paid."""
    key = keys.credit(state.id, "cancel")
    return Credit(key, "gift_canceled", state.terms.currency, (state.invoice,), None, refund=True)


def payment_event(state: GiftState, attempt: int) -> GiftDecision:
    """A gateway says that something happened: it is asked."""
    if state.status is not GiftStatus.PENDING:
        return GiftDecision(state)
    return GiftDecision(_step(state, state.as_of), (Settle(state.invoice, attempt),))


def _step(state: GiftState, at: datetime) -> GiftState:
    return replace(state, step=state.step + 1, as_of=max(state.as_of, at))
