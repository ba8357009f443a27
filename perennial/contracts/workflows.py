"""What workflows are started with and asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.contracts.activities import Subject
from perennial.contracts.views import SubscriptionView
from perennial.domain.gift import GiftState
from perennial.domain.one_off import OneOffState
from perennial.domain.subscription import State
from perennial.domain.subscription.effects import Credit

# The name under which a worker tells its workflows where the dashboard is (`workflow.extern_functions`).
DASHBOARD_URL = "perennial_dashboard_url"
# The memo of a workflow that was started again from a row: the run that had written it.
AFTER_RUN = "AfterRun"
SUBSCRIPTION = "Subscription"
GIFT = "Gift"
BOOKKEEPING = "Bookkeeping"
INVOICE = "Invoice"
CREDIT_NOTE = "CreditNote"
PLAN_MIGRATION = "PlanMigration"
BATCH_RESET = "BatchReset"


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer to a request, kept for its repetitions: a view, or code, words and field of a refusal."""

    request_id: str
    view: SubscriptionView | None = None
    code: str | None = None
    message: str = ""
    field: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionInput:
    """The whole state; `answers` travel through continue-as-new."""

    state: State
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class GiftInput:
    state: GiftState


@dataclass(frozen=True, slots=True)
class InvoiceInput:
    """A one-off invoice. What stands on it is in a row."""

    state: OneOffState


@dataclass(frozen=True, slots=True)
class CreditNoteInput:
    """A credit note for an invoice that no workflow looks after: a gift's, or a one-off one. `as_of` is its date."""

    subject: Subject
    credit: Credit
    as_of: datetime


@dataclass(frozen=True, slots=True)
class PlanMigrationInput:
    """Who is moved where stands in rows."""

    migration_id: str


@dataclass(frozen=True, slots=True)
class BatchResetInput:
    """What it is about, and who is to be reset, stands in rows."""

    batch_id: str


@dataclass(frozen=True, slots=True)
class BatchTurned:
    """After a page of a batch: how many of `total` have had their turn. `status` says whether it goes on."""

    status: str
    done: int
    total: int
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for test clocks: `wake_at` is the next instant (domain time) at which it acts by itself.

    Domain time is the workflow's own time plus `clock_offset`.
    """

    busy: bool
    wake_at: datetime | None
    ended: bool
    clock_offset: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a day of bookkeeping has done: grants that expired, postings of revenue, keys that were dropped.

    `card_reminders`: cards whose expiry is to be told, those that were told of before among them.
    `ended_refunds`: pending ones whose outcome was found.
    """

    expired_grants: int
    closed_months: int
    forgotten_keys: int
    card_reminders: int = 0
    ended_refunds: int = 0
