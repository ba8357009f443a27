"""A one-off invoice after it was finalised: open until it is paid, taken back or written off. Pure, like a gift.

open -> paid | void | uncollectible. What stands on it is a row (`perennial.domain.drafts`); here are ids and instants.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from perennial.domain import keys
from perennial.domain.drafts import CollectBy
from perennial.domain.errors import CommandRefused, InvoiceNotOpen
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import (
    CloseInvoice,
    Collect,
    Effect,
    Message,
    Note,
    PaymentFact,
    PaymentStatus,
    Receive,
    Settle,
    Trigger,
)


class InvoicePaid(CommandRefused):
    """What has been paid is given back by a credit note; nothing else undoes it."""

    code = "invoice_paid"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "the invoice is paid: issue a credit note for it instead")


class InvoiceNotPaid(CommandRefused):
    code = "invoice_not_paid"

    def __init__(self, invoice: str, status: str) -> None:
        ways = ": take it back (void), or wait until it is paid" if status == "open" else ""
        super().__init__(invoice, f"only a paid invoice is credited, this one is {status}{ways}")


class NothingToCredit(CommandRefused):
    code = "nothing_to_credit"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "everything that was paid has been credited")


class InvoiceIsDraft(CommandRefused):
    code = "invoice_is_draft"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "the invoice is a draft: finalise it first, or delete it")


class InvoiceFinal(CommandRefused):
    code = "invoice_final"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "the invoice has been finalised: only a draft can be changed or deleted")


class DraftEmpty(CommandRefused):
    code = "draft_empty"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "the draft has no line")


class GiftInvoice(CommandRefused):
    code = "gift_invoice"

    def __init__(self, invoice: str, gift: str) -> None:
        super().__init__(invoice, f"the invoice pays for gift {gift}: cancel the gift instead")


class OlderInvoiceFirst(CommandRefused):
    code = "older_invoice_first"

    def __init__(self, invoice: str, older: str) -> None:
        super().__init__(invoice, f"the oldest open invoice of the subscription is tried first: {older}")


class OneOffStatus(StrEnum):
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"

    @property
    def is_ended(self) -> bool:
        return self is not OneOffStatus.OPEN


class OneOffDueKind(StrEnum):
    PAYMENT_OVERDUE = "payment_overdue"


@dataclass(frozen=True, slots=True)
class OneOffDue:
    kind: OneOffDueKind
    at: datetime


@dataclass(frozen=True, slots=True)
class OneOffState:
    """`attempt` counts attempts, the one in flight among them. `due_at` (UTC) only of an invoice that is sent.

    `closing` and `reference` say what is being done: given up as that, or written down as paid under that reference.
    """

    id: str
    customer_id: str
    collect: CollectBy
    status: OneOffStatus
    created_at: datetime
    as_of: datetime
    due_at: datetime | None = None
    payment_method_id: str | None = None
    attempt: int = 0
    in_flight: bool = False
    code: str | None = None
    overdue: bool = False
    closing: OneOffStatus | None = None
    reference: str | None = None
    test_clock_id: str | None = None
    clock_offset: timedelta = timedelta()
    step: int = 0

    @property
    def invoice(self) -> str:
        return keys.one_off_invoice(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayInvoice(c.Command):
    """Try it now, with this payment method."""

    payment_method_id: str


@dataclass(frozen=True, slots=True)
class OneOffDecision:
    state: OneOffState
    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()


def next_due(state: OneOffState) -> OneOffDue | None:
    if state.status.is_ended or state.due_at is None or state.overdue:
        return None
    return OneOffDue(OneOffDueKind.PAYMENT_OVERDUE, state.due_at)


def begin(state: OneOffState) -> OneOffDecision:
    """Its first step, in which the invoice is issued."""
    return OneOffDecision(_step(state, state.created_at), notes=(Note(state.created_at, "invoice_finalised"),))


def resume_work(state: OneOffState) -> Effect | None:
    """What was being done when the state was recorded: a run that is started from a row does it again."""
    if state.closing:
        return CloseInvoice(state.invoice, state.closing.value)
    if state.reference is not None:
        return Receive(state.invoice, state.attempt, state.reference)
    if state.in_flight:
        return Collect(state.invoice, state.attempt, state.payment_method_id, Trigger.AUTOMATIC)
    return None


def settle(state: OneOffState, fact: PaymentFact) -> OneOffDecision:
    """What became of the invoice. News of one that is settled, and of older attempts, changes nothing."""
    at = max(fact.at, state.as_of)
    if state.status.is_ended:
        return OneOffDecision(state)
    match fact.status:
        case PaymentStatus.PAID:
            return _ended(state, OneOffStatus.PAID, at)
        case PaymentStatus.CLOSED:
            return _ended(state, state.closing or OneOffStatus.VOID, at)
        case PaymentStatus.OPEN:
            first = state.collect is CollectBy.CHARGE and not state.attempt
            return _attempt(state, Trigger.AUTOMATIC, at) if first else OneOffDecision(state)
        case _:
            return _failed(state, fact, at)


def act(state: OneOffState, due: OneOffDue) -> OneOffDecision:
    """The time to pay is over: the customer is told, and what follows is for people to decide."""
    message = Message(keys.notify("payment_overdue", state.invoice), "payment_overdue", {"invoice": state.id})
    overdue = replace(_step(state, due.at), overdue=True)
    return OneOffDecision(overdue, notes=(Note(due.at, "payment_overdue"),), messages=(message,))


def decide(state: OneOffState, command: c.Command, at: datetime) -> OneOffDecision:
    """Obey a command that is effective at `at` (UTC).

    Raises:
        InvoicePaid, InvoiceNotOpen: it is settled.
    """
    if isinstance(command, c.PaymentEvent):
        # A gateway says that something happened: it is asked.
        return OneOffDecision(state) if state.status.is_ended else _asked(state, command.attempt)
    if state.status is OneOffStatus.PAID:
        raise InvoicePaid(state.id)
    if state.status.is_ended:
        raise InvoiceNotOpen(state.id)
    match command:
        case PayInvoice():
            state = replace(state, payment_method_id=command.payment_method_id)
            return _attempt(state, Trigger.CUSTOMER, at, Note(at, "payment_retried", command.actor))
        case c.GiveUpInvoice():
            closing = OneOffStatus.UNCOLLECTIBLE if command.write_off else OneOffStatus.VOID
            note = Note(at, f"{closing.value}_asked", command.actor)
            effect = CloseInvoice(state.invoice, closing.value)
            return OneOffDecision(replace(_step(state, at), closing=closing), (effect,), (note,))
        case c.RecordPayment():
            n = state.attempt + 1
            state = replace(_step(state, at), attempt=n, reference=command.reference)
            note = Note(at, "payment_recorded", command.actor, {"reference": command.reference})
            return OneOffDecision(state, (Receive(state.invoice, n, command.reference),), (note,))
        case _:
            msg = f"{type(command).__name__} is no command of a one-off invoice"
            raise AssertionError(msg)


def _attempt(state: OneOffState, trigger: Trigger, at: datetime, *notes: Note) -> OneOffDecision:
    state = replace(_step(state, at), attempt=state.attempt + 1, in_flight=True)
    return OneOffDecision(state, (Collect(state.invoice, state.attempt, state.payment_method_id, trigger),), notes)


def _asked(state: OneOffState, attempt: int) -> OneOffDecision:
    return OneOffDecision(_step(state, state.as_of), (Settle(state.invoice, attempt),))


def _ended(state: OneOffState, status: OneOffStatus, at: datetime) -> OneOffDecision:
    ended = replace(_step(state, at), status=status, in_flight=False, closing=None, reference=None)
    return OneOffDecision(ended, notes=(Note(at, f"invoice_{status.value}"),))


def _failed(state: OneOffState, fact: PaymentFact, at: datetime) -> OneOffDecision:
    """Declined, or waiting for the customer's bank: it stays open."""
    code = fact.code or fact.status.value
    if fact.attempt < state.attempt or (not state.in_flight and code == state.code):
        return OneOffDecision(state)
    data = {"attempt": str(fact.attempt), "code": code}
    failed = replace(_step(state, at), in_flight=False, code=code)
    return OneOffDecision(failed, notes=(Note(at, "payment_failed", data=data),))


def _step(state: OneOffState, at: datetime) -> OneOffState:
    return replace(state, step=state.step + 1, as_of=max(state.as_of, at))
