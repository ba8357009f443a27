"""What support asks and is told."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from api.schemas.commands import Previewable
from api.schemas.common import Incoming, Outgoing, examples, wrong
from api.schemas.subscriptions import DiscountOut, PreviewLine, SubscriptionOut, TaxOut
from perennial.engine.forecasts import COUNT, MOST
from perennial.support.audit import LONGEST_REASON

Reason = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=LONGEST_REASON,
        pattern=r"^[^\x00]*\S[^\x00]*$",
        description="Why: it is written down with the action. May name people; it leaves our database nowhere.",
    ),
]


class Because(Incoming):
    """An action of support and why it is done."""

    model_config = examples({"reason": "ticket 4711: the card's bank was down"})

    reason: Reason


class ResetTo(Because):
    """To a step by its number or name, or to before what went wrong. Without `dry_run: false` nothing is done."""

    model_config = examples(
        {"to": "renewal 2027-03-01", "reason": "ticket 4711"},
        {"before_error": True, "dry_run": False, "reason": "the bug of build 42"},
    )

    to: Annotated[StrictStr, Field(min_length=1, max_length=100)] | None = None
    before_error: StrictBool = False
    dry_run: StrictBool = True

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if (self.to is None) != self.before_error:
            raise wrong("to", "give either to or before_error")
        return self


class StepOut(Outgoing):
    """`is_done`: its activity has answered. `build`: of the worker that decided it."""

    number: int
    name: str
    at: datetime
    words: str
    activity: str
    is_done: bool
    build: str


class Steps(Outgoing):
    """Oldest first."""

    data: list[StepOut]


class AgainOut(Outgoing):
    """A step that is done again. `is_done`: it finds what it did (`found` says it), so nothing is charged."""

    number: int
    name: str
    at: datetime
    words: str
    is_done: bool
    found: str


class HeardOut(Outgoing):
    """A command that is heard again, in its old place."""

    command: str
    at: str
    actor: str


class PlanOut(Outgoing):
    to: str
    why: str = Field(description="What went wrong there, when it was asked for.")
    steps: list[AgainOut]
    commands: list[HeardOut]


class ResetOut(Outgoing):
    run_id: str
    is_caught_up: bool
    status: str


class PlannedReset(Outgoing):
    """`done` is null after a dry run."""

    plan: PlanOut
    done: ResetOut | None


class RebuiltOut(Outgoing):
    """`row`: written (it was gone), corrected (wrong in `columns`) or right."""

    subscription: str
    row: str
    columns: list[str]
    step: int
    entries: int
    spans: int
    dropped: int
    is_whole: bool


class RetriedOut(Outgoing):
    id: str
    did: str


class StuckOut(Outgoing):
    """`late` in seconds; `remedy` is a command line."""

    id: str
    status: str
    due_kind: str | None
    due_at: datetime | None
    late: timedelta | None
    cause: str
    remedy: str


class StuckList(Outgoing):
    data: list[StuckOut]


class StoryItem(Outgoing):
    """`when`: past, now or ahead."""

    at: datetime
    kind: str
    actor: str
    text: str
    when: str
    data: dict[str, Any]


class Story(Outgoing):
    data: list[StoryItem]


class DifferenceOut(Outgoing):
    event: int | None
    at: datetime | None
    recorded: str
    wanted: str


class ReplayedOut(Outgoing):
    """`difference` is null when today's code decides the same."""

    run_id: str
    events: int
    difference: DifferenceOut | None


class Replays(Outgoing):
    data: list[ReplayedOut]


class SupportActionOut(Outgoing):
    """One without an `outcome` was cut off in the middle."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    outcome: str | None
    finished_at: datetime | None


class WhatIf(Incoming):
    """Commands as they would be sent, each with its name; they are done one after the other, on paper."""

    model_config = examples(
        {"changes": [{"command": "change_plan", "plan": "premium-monthly"}]},
        {"changes": [{"command": "cancel"}], "count": 3},
        {"changes": []},
    )

    changes: Annotated[list[Previewable], Field(max_length=10)] = Field(default_factory=list)
    count: Annotated[StrictInt, Field(ge=1, le=MOST)] = COUNT


class UpcomingOut(Outgoing):
    """Minor units. `usage_open`: a charge for usage is in it that may still grow."""

    at: datetime
    reason: str
    period_no: int
    period_start: datetime
    period_end: datetime
    currency: str
    lines: list[PreviewLine]
    taxes: list[TaxOut]
    discounts: list[DiscountOut]
    subtotal: int
    discount: int
    tax: int
    total: int
    credit_applied: int
    amount_due: int
    usage_open: bool


class ForecastOut(Outgoing):
    """`notes` say in words what is assumed, and why there are fewer invoices than were asked for."""

    effective_at: datetime
    currency: str
    invoices: list[UpcomingOut]
    subscription: SubscriptionOut
    notes: list[str]
