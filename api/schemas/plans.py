"""The catalogue: plans and their versions."""

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, WithJsonSchema, model_validator

from api.schemas.common import Currency, Incoming, Name, Outgoing, examples, wrong
from perennial.domain.calendar import IntervalUnit
from perennial.domain.dunning import DEFAULT_POLICY, FinalAction, HardDecline
from perennial.domain.proration import ProrationBasis

_PRICE_TYPES = (
    "flat",
    "per_unit",
    "graduated",
    "volume",
    "package",
    "package_graduated",
    "package_volume",
    "percentage",
    "graduated_percentage",
    "commitment",
)

# The domain reads the model and names the field that is wrong; here is what a reader needs.
Price = Annotated[
    dict[StrictStr, Any],
    WithJsonSchema(
        {
            "type": "object",
            "title": "Price",
            "required": ["type"],
            "properties": {"type": {"type": "string", "enum": list(_PRICE_TYPES)}},
            "description": "A pricing model. Amounts are decimal strings in major units ('9.99'). `flat`: amount; "
            "`per_unit`: unit_price, free_units; `graduated` and `volume`: tiers [{up_to, unit_price, flat_fee}]; "
            "`package`: package_size, package_price, free_units. See docs/billing-rules/pricing.md for all of them.",
            "examples": [{"type": "flat", "amount": "9.00"}, {"type": "per_unit", "unit_price": "12.50"}],
        }
    ),
]


class IntervalBody(Incoming):
    """How long a billing period is."""

    unit: IntervalUnit
    count: Annotated[StrictInt, Field(ge=1, le=366)] = 1


class DunningBody(Incoming):
    """What happens when a payment fails. Days are counted from the first failure, in the subscription's zone."""

    retry_offsets_days: Annotated[list[Annotated[StrictInt, Field(ge=1, le=365)]], Field(max_length=30)] = Field(
        default_factory=lambda: list(DEFAULT_POLICY.retry_offsets_days)
    )
    grace_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = DEFAULT_POLICY.grace_days
    final_action: FinalAction = DEFAULT_POLICY.final_action
    on_hard_decline: HardDecline = DEFAULT_POLICY.on_hard_decline

    @model_validator(mode="after")
    def _offsets_rise(self) -> Self:
        offsets = self.retry_offsets_days
        if any(later <= earlier for earlier, later in pairwise(offsets)):
            raise wrong("retry_offsets_days", "must rise")
        return self


class NewPlan(Incoming):
    """The next version of a plan. Who has subscribed keeps the version they have."""

    model_config = examples(
        {
            "code": "pro-monthly",
            "name": "Pro",
            "interval": {"unit": "month", "count": 1},
            "prices": {
                "USD": {"type": "flat", "amount": "29.00"},
                "EUR": {"type": "flat", "amount": "27.00"},
            },
            "trial_days": 14,
        },
        {
            "code": "team-yearly",
            "name": "Team, yearly",
            "interval": {"unit": "year"},
            "prices": {"USD": {"type": "per_unit", "unit_price": "120.00"}},
            "proration": "day",
            "reminder_days": 7,
            "allow_multiple": True,
        },
    )

    code: Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    name: Name
    interval: IntervalBody
    prices: Annotated[dict[Currency, Price], Field(min_length=1, description="One pricing model a currency.")]
    trial_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 0
    trial_needs_card: StrictBool = True
    reminder_days: Annotated[StrictInt, Field(ge=1, le=365)] | None = Field(
        default=None, description="Days before a renewal at which the customer is told; null: never."
    )
    proration: ProrationBasis = ProrationBasis.SECOND
    dunning: DunningBody = DunningBody()
    allow_multiple: StrictBool = Field(default=False, description="Whether one customer may hold this plan twice.")


class IntervalOut(Outgoing):
    unit: str
    count: int


class PlanOut(Outgoing):
    """The newest version of a plan."""

    code: str
    version: int
    name: str
    interval: IntervalOut
    prices: dict[str, dict[str, Any]]
    trial_days: int
    trial_needs_card: bool
    reminder_days: int | None
    proration: str
    dunning: dict[str, Any]
    allow_multiple: bool
    created_at: datetime
    archived_at: datetime | None
