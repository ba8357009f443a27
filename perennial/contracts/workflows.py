"""What workflows are started with and asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.contracts.views import SubscriptionView
from perennial.domain.gift import GiftState
from perennial.domain.subscription import State

SUBSCRIPTION = "Subscription"
GIFT = "Gift"
PLAN_MIGRATION = "PlanMigration"


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
class PlanMigrationInput:
    """Who is moved where stands in rows."""

    migration_id: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for test clocks: `wake_at` is the next instant (domain time) at which it acts by itself.

    Domain time is the workflow's own time plus `clock_offset`.
    """

    busy: bool
    wake_at: datetime | None
    ended: bool
    clock_offset: timedelta = timedelta()
