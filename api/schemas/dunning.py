"""What happens when a payment fails."""

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from api.schemas.common import Code, Id, Incoming, Outgoing, examples, wrong
from perennial.domain.dunning import DEFAULT_POLICY, CaseMessage, DunningPolicy, FinalAction, HardDecline, Notice

PolicyCode = Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Version = Annotated[StrictInt, Field(ge=1, le=1_000_000)]


class NoticeBody(Incoming):
    """By which channels a message goes out from a step on: 0 is the first failure, k the k-th retry."""

    message: CaseMessage
    channels: Annotated[list[Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]], Field(max_length=10)] = (
        Field(description="Such as `email`; those that the server knows. None: it is not told.")
    )
    from_step: Annotated[StrictInt, Field(ge=0, le=30)] = 0


class DunningBody(Incoming):
    """What happens when a payment fails. Days are counted from the first failure, in the subscription's zone."""

    retry_offsets_days: Annotated[list[Annotated[StrictInt, Field(ge=1, le=365)]], Field(max_length=30)] = Field(
        default_factory=lambda: list(DEFAULT_POLICY.retry_offsets_days)
    )
    grace_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = DEFAULT_POLICY.grace_days
    final_action: FinalAction = Field(
        default=DEFAULT_POLICY.final_action, description="`skip`: the subscription goes on, the invoice is given up."
    )
    on_hard_decline: HardDecline = DEFAULT_POLICY.on_hard_decline
    retry_hour: Annotated[StrictInt, Field(ge=0, le=23)] | None = Field(
        default=None, description="The local hour of retries; null: that of the first failure."
    )
    prefer_paydays: StrictBool = Field(
        default=False, description="Retries for want of money wait for the next likely payday before the next retry."
    )

    notices: Annotated[list[NoticeBody], Field(max_length=50)] = Field(
        default_factory=list, description="What none of them names goes out by mail."
    )

    @model_validator(mode="after")
    def _offsets_rise(self) -> Self:
        offsets = self.retry_offsets_days
        if any(later <= earlier for earlier, later in pairwise(offsets)):
            raise wrong("retry_offsets_days", "must rise")
        if len({(notice.message, notice.from_step) for notice in self.notices}) < len(self.notices):
            raise wrong("notices", "two of them begin at the same step for one message")
        if any(len(set(notice.channels)) < len(notice.channels) for notice in self.notices):
            raise wrong("notices", "a channel is named twice")
        return self

    @property
    def policy(self) -> DunningPolicy:
        return DunningPolicy(
            tuple(self.retry_offsets_days),
            self.grace_days,
            self.final_action,
            self.on_hard_decline,
            self.retry_hour,
            self.prefer_paydays,
            tuple(Notice(each.message, tuple(each.channels), each.from_step) for each in self.notices),
        )


class NewDunningPolicy(DunningBody):
    """The next version of a policy. New cases go by it; cases that run keep theirs until it is applied to them."""

    model_config = examples(
        {
            "code": "gentle",
            "retry_offsets_days": [3, 7, 14, 21],
            "grace_days": 21,
            "final_action": "pause",
            "retry_hour": 10,
            "prefer_paydays": True,
            "notices": [{"message": "payment_failed", "channels": [], "from_step": 1}],
        },
        {"code": "strict", "retry_offsets_days": [1, 3], "grace_days": 3, "on_hard_decline": "final_action"},
    )

    code: PolicyCode


class NoticeOut(Outgoing):
    message: CaseMessage
    channels: list[str]
    from_step: int


class DunningPolicyOut(Outgoing):
    """A version of a policy. `groups`: whose customers go by the newest one."""

    code: str
    version: int
    retry_offsets_days: list[int]
    grace_days: int | None
    final_action: FinalAction
    on_hard_decline: HardDecline
    retry_hour: int | None
    prefer_paydays: bool
    notices: list[NoticeOut]
    groups: list[str]
    created_at: datetime


class AssignPolicy(Incoming):
    """New cases of the customers of this group go by the newest version of the policy."""

    model_config = examples({"group": "enterprise"})

    group: Code


class ApplyPolicy(Incoming):
    """Cases that run: those of the policy, or, with `group`, of its customers, whatever they go by."""

    model_config = examples({}, {"version": 2}, {"group": "enterprise"})

    version: Version | None = Field(default=None, description="Null: the newest.")
    group: Code | None = None
    after: Id | None = Field(default=None, description="`next` of the answer before.")
    limit: Annotated[StrictInt, Field(ge=1, le=100)] = 50


class RefusalOut(Outgoing):
    subscription_id: str
    code: str
    message: str


class AppliedPolicyOut(Outgoing):
    """`waiting`: who has not answered yet; apply it again. `next`: there are more cases; null on the last page."""

    policy: str
    applied: list[str]
    refused: list[RefusalOut]
    waiting: list[str]
    next: str | None
