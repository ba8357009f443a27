"""What may be asked of a subscription: one body a command, and the same bodies again for previews."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from api.schemas.common import Code, Currency, Id, Incoming, Instant, Quantity, examples, wrong
from api.schemas.dunning import DunningBody, PolicyCode, Version
from perennial.domain.catalog import RefundPolicy
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.commands import When


class AddOn(Incoming):
    """How many of an add-on of the plan."""

    code: Code
    quantity: Quantity = 1


class Nothing(Incoming):
    """A command that needs no words: an empty object, or no body at all."""

    model_config = examples({})


class Pause(Incoming):
    model_config = examples({}, {"until": "2027-01-15T00:00:00Z"}, {"when": "period_end"})

    until: Instant | None = Field(default=None, description="It resumes by itself then; null: when it is told to.")
    when: When = When.NOW


class Prorated(Incoming):
    """What is computed to the second. A preview says for which instant; given back, it is charged for that one."""

    effective_at: Instant | None = Field(
        default=None, description="The `effective_at` of a preview, at most 15 minutes old; null: now."
    )


class ChangePlan(Prorated):
    model_config = examples(
        {"plan": "premium-monthly"},
        {"plan": "basic-monthly", "when": "period_end"},
        {"plan": "team-monthly", "quantity": 3},
    )

    plan: Code
    quantity: Quantity | None = Field(default=None, description="Null: as it is.")
    addons: Annotated[list[AddOn], Field(max_length=50)] | None = Field(
        default=None, description="Null: those it has, as far as the plan has them too."
    )
    currency: Currency | None = Field(
        default=None, description="A subscription keeps its currency: another is refused."
    )
    when: When = When.NOW
    proration: ProrationBasis | None = Field(default=None, description="Null: as the plan says.")


class ChangeQuantity(Prorated):
    model_config = examples({"quantity": 12}, {"quantity": 3, "when": "period_end"})

    quantity: Quantity
    when: When = When.NOW
    proration: ProrationBasis | None = Field(default=None, description="Null: as the plan says.")


class ChangeAddOns(Prorated):
    """To exactly these add-ons."""

    model_config = examples({"addons": [{"code": "support", "quantity": 1}]}, {"addons": [], "when": "period_end"})

    addons: Annotated[list[AddOn], Field(max_length=50)]
    when: When = When.NOW
    proration: ProrationBasis | None = Field(default=None, description="Null: as the plan says.")


class Cancel(Prorated):
    model_config = examples({}, {"when": "now", "refund": "prorated", "reason": "too_expensive"})

    when: When = When.PERIOD_END
    # A code, not prose: it travels through workflow histories, which hold nothing personal.
    reason: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]{1,64}$")] = "requested"
    refund: RefundPolicy | None = Field(
        default=None, description="What of the running period is given back; null: as the plan says."
    )

    @model_validator(mode="after")
    def _refunds_only_now(self) -> Self:
        if self.when is When.PERIOD_END and self.refund not in (None, RefundPolicy.NONE):
            raise wrong("refund", "needs when=now: at the end of a period nothing is left of it")
        return self


class Reactivate(Incoming):
    model_config = examples({}, {"payment_method_id": "pm_5b1f0e6d2c9a48371be0"})

    payment_method_id: Id | None = Field(default=None, description="Null: the one it had.")


class ApplyCoupon(Incoming):
    model_config = examples({"coupon": "WELCOME20"})

    coupon: Code


class SetPaymentMethod(Incoming):
    model_config = examples({"payment_method_id": "pm_5b1f0e6d2c9a48371be0"})

    payment_method_id: Id


class SetDunning(Incoming):
    """A policy that is spelt out, or one by its code; neither: what the group or the plan has, again."""

    model_config = examples(
        {"policy": {"retry_offsets_days": [2, 5, 9], "retry_hour": 9}}, {"code": "gentle", "case_only": True}, {}
    )

    policy: DunningBody | None = None
    code: PolicyCode | None = None
    version: Version | None = Field(default=None, description="Of `code`; null: the newest.")
    case_only: StrictBool = Field(default=False, description="For the case that runs, and no later one.")

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.policy and self.code:
            raise wrong("policy", "give either policy or code")
        if self.version and not self.code:
            raise wrong("version", "is that of a code: give code too")
        if self.case_only and not (self.policy or self.code):
            raise wrong("case_only", "needs a policy or a code")
        return self


class ExtendTrial(Incoming):
    model_config = examples({"until": "2027-02-01T00:00:00Z"})

    until: Instant


class AddGift(Incoming):
    """Free periods for somebody who subscribes already."""

    model_config = examples({"periods": 2})

    periods: Annotated[StrictInt, Field(ge=1, le=120)]


class PausePreview(Pause):
    command: Literal["pause"]


class ResumePreview(Nothing):
    command: Literal["resume"]


class ChangePlanPreview(ChangePlan):
    command: Literal["change_plan"]


class ChangeQuantityPreview(ChangeQuantity):
    command: Literal["change_quantity"]


class ChangeAddOnsPreview(ChangeAddOns):
    command: Literal["change_addons"]


class CancelPreview(Cancel):
    command: Literal["cancel"]


class ReactivatePreview(Reactivate):
    command: Literal["reactivate"]


class ApplyCouponPreview(ApplyCoupon):
    command: Literal["apply_coupon"]


class ExtendTrialPreview(ExtendTrial):
    command: Literal["extend_trial"]


class SkipNextPreview(Nothing):
    command: Literal["skip_next"]


Previewable = Annotated[
    PausePreview
    | ResumePreview
    | ChangePlanPreview
    | ChangeQuantityPreview
    | ChangeAddOnsPreview
    | CancelPreview
    | ReactivatePreview
    | ApplyCouponPreview
    | ExtendTrialPreview
    | SkipNextPreview,
    Field(discriminator="command"),
]
