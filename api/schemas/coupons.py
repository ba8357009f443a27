"""Coupons and who redeemed them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, StrictStr, model_validator

from api.schemas.common import Code, Currency, Incoming, Instant, MinorIn, Outgoing, examples, wrong
from perennial.domain.coupons import CouponTerms

PercentText = Annotated[
    StrictStr, Field(pattern=r"^\d{1,3}(\.\d{1,6})?$", description="Above 0 and at most 100, as a decimal string.")
]


def _each_once(codes: list[str]) -> list[str]:
    if len(set(codes)) < len(codes):
        message = "names a plan twice"
        raise ValueError(message)
    return codes


class NewCoupon(Incoming):
    """Either `percent_off`, or `amount_off` with its `currency`."""

    model_config = examples(
        {"code": "WELCOME20", "percent_off": "20", "duration_periods": 3, "first_time_only": True},
        {"code": "FIVE-OFF", "amount_off": 500, "currency": "USD", "combinable": True},
        {
            "code": "LAUNCH",
            "percent_off": "50",
            "duration_periods": 1,
            "max_redemptions": 100,
            "expires_at": "2027-01-01T00:00:00Z",
        },
    )

    code: Code
    percent_off: PercentText | None = None
    amount_off: MinorIn | None = Field(default=None, description="Off each period, in minor units of `currency`.")
    currency: Currency | None = None
    duration_periods: Annotated[StrictInt, Field(ge=1, le=1200)] | None = Field(
        default=None, description="For how many periods; null: for ever."
    )
    plans: Annotated[list[Code], Field(max_length=100), AfterValidator(_each_once)] = Field(
        default_factory=list, description="Codes of the plans that it is good for; empty: every plan."
    )
    first_time_only: StrictBool = Field(default=False, description="Only for customers who have paid nothing yet.")
    combinable: StrictBool = Field(default=False, description="Whether it goes together with others that say so too.")
    max_redemptions: Annotated[StrictInt, Field(ge=1, le=10**9)] | None = Field(
        default=None, description="How often it is redeemed at most, by all customers together; null: no limit."
    )
    expires_at: Instant | None = Field(default=None, description="From then on nobody redeems it.")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.percent_off is None) == (self.amount_off is None):
            raise wrong("percent_off", "give either percent_off or amount_off")
        if (self.amount_off is None) != (self.currency is None):
            raise wrong("currency", "amount_off and currency go together")
        return self

    def terms(self) -> CouponTerms:
        percent = None if self.percent_off is None else Decimal(self.percent_off)
        return CouponTerms(**(self.model_dump() | {"percent_off": percent, "plans": tuple(self.plans)}))


class CouponOut(Outgoing):
    """`redeemed` counts redemptions, and never passes `max_redemptions`."""

    code: str
    percent_off: Decimal | None
    amount_off: int | None
    currency: str | None
    duration_periods: int | None
    plans: list[str]
    first_time_only: bool
    combinable: bool
    max_redemptions: int | None
    redeemed: int
    expires_at: datetime | None
    archived_at: datetime | None
    created_at: datetime


class RedemptionOut(Outgoing):
    """`released_at` is not null when what it was redeemed for was refused after all."""

    id: str
    coupon_code: str
    customer_id: str
    subscription_id: str
    redeemed_at: datetime
    released_at: datetime | None
