"""What happens when a payment fails."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from api.schemas.common import Incoming, wrong
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy, FinalAction, HardDecline


class DunningBody(Incoming):
    """What happens when a payment fails. Days are counted from the first failure, in the subscription's zone."""

    retry_offsets_days: Annotated[list[Annotated[StrictInt, Field(ge=1, le=365)]], Field(max_length=30)] = Field(
        default_factory=lambda: list(DEFAULT_POLICY.retry_offsets_days)
    )
    grace_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = DEFAULT_POLICY.grace_days
    final_action: FinalAction = DEFAULT_POLICY.final_action
    on_hard_decline: HardDecline = DEFAULT_POLICY.on_hard_decline
    retry_hour: Annotated[StrictInt, Field(ge=0, le=23)] | None = Field(
        default=None, description="The local hour of retries; null: that of the first failure."
    )
    prefer_paydays: StrictBool = Field(
        default=False, description="Retries for want of money wait for the next likely payday before the next retry."
    )

    @model_validator(mode="after")
    def _offsets_rise(self) -> Self:
        offsets = self.retry_offsets_days
        if any(later <= earlier for earlier, later in pairwise(offsets)):
            raise wrong("retry_offsets_days", "must rise")
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
        )
