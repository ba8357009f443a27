"""Resetting many subscriptions at once."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictStr, model_validator

from api.schemas.common import Incoming, Outgoing, examples, wrong
from api.schemas.support import Reason
from perennial.support.batch import Outcome
from perennial.support.batch_resets import Status


class NewBatchReset(Incoming):
    """Those that a worker's `build` has decided about, or those that a visibility `query` finds.

    Without `dry_run: false` it is only looked at what would be done.
    """

    model_config = examples(
        {"build": "1.4.0"},
        {"query": "ExecutionStatus = 'Running' AND PlanCode = 'team-monthly'"},
        {"build": "1.4.0", "dry_run": False, "reason": "the bug of build 1.4.0"},
    )

    build: Annotated[StrictStr, Field(min_length=1, max_length=255)] | None = None
    query: Annotated[StrictStr, Field(min_length=1, max_length=2000)] | None = None
    dry_run: StrictBool = True
    reason: Reason | None = Field(default=None, description="Needed unless `dry_run`.")

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if (self.build is None) == (self.query is None):
            raise wrong("build", "give either build or query")
        if not self.dry_run and self.reason is None:
            raise wrong("reason", "say why: it is written down with the action")
        return self


class BatchResetOut(Outgoing):
    """`counts`: how many of its subscriptions have which outcome; `pending`: their turn has not come.

    `actor` and `reason` are of who let it go.
    """

    id: str
    build: str | None
    query: str | None
    status: Status
    actor: str | None
    reason: str | None
    counts: dict[str, int]
    created_at: datetime
    finished_at: datetime | None


class BatchResetItemOut(Outgoing):
    """`to`: the step it was, or would be, reset to."""

    subscription: str
    outcome: Outcome
    to: str
    words: str
