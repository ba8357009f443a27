"""What activities are handed and what they answer. Ids, money, dates and codes: nothing personal."""

from dataclasses import dataclass
from datetime import datetime

from perennial.domain.gift import GiftState
from perennial.domain.one_off import OneOffState
from perennial.domain.subscription.effects import Bill, CloseInvoice, Collect, Credit, Message, Note, Receive, Settle
from perennial.domain.subscription.state import Span, State


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be written down of a step: the state as the projection, and what the step says."""

    state: State
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose money it is."""

    customer_id: str
    subscription_id: str | None = None
    gift_id: str | None = None


@dataclass(frozen=True, slots=True)
class BillTask:
    """`as_of` is domain time: the date of the invoice and of the attempt. `record` is written in its transaction."""

    subject: Subject
    effect: Bill
    as_of: datetime
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class CollectTask:
    subject: Subject
    effect: Collect
    as_of: datetime
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class SettleTask:
    subject: Subject
    effect: Settle
    as_of: datetime
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class CloseTask:
    subject: Subject
    effect: CloseInvoice
    as_of: datetime
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class CreditTask:
    subject: Subject
    effect: Credit
    as_of: datetime
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class ReceiveTask:
    subject: Subject
    effect: Receive
    as_of: datetime
    record: Record | None = None


MoneyTask = BillTask | CollectTask | SettleTask | CloseTask | CreditTask | ReceiveTask


@dataclass(frozen=True, slots=True)
class RecordTask:
    record: Record
    as_of: datetime


@dataclass(frozen=True, slots=True)
class GiftRecord:
    state: GiftState
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class GiftRecordTask:
    record: GiftRecord
    as_of: datetime


@dataclass(frozen=True, slots=True)
class OneOffRecord:
    state: OneOffState
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class OneOffRecordTask:
    record: OneOffRecord
    as_of: datetime
