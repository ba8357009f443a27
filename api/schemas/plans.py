"""The catalogue: plans and their versions."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, WithJsonSchema, model_validator

from api.schemas.common import Code, Currency, Incoming, Name, Outgoing, examples, wrong
from api.schemas.dunning import DunningBody, PolicyCode
from perennial.domain.calendar import IntervalUnit
from perennial.domain.catalog import DisputePolicy, RefundPolicy
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
            "`package`: package_size, package_price, free_units. A last tier has no end (`up_to` null). See "
            "docs/billing-rules/pricing.md for all of them.",
            "examples": [{"type": "flat", "amount": "9.00"}, {"type": "per_unit", "unit_price": "12.50"}],
        }
    ),
]

# As with prices: `perennial.domain.entitlements` reads it and names what is wrong.
Entitlement = Annotated[
    dict[StrictStr, Any],
    WithJsonSchema(
        {
            "type": "object",
            "title": "Entitlement",
            "required": ["feature", "kind"],
            "properties": {
                "feature": {"type": "string"},
                "kind": {"type": "string", "enum": ["switch", "limit", "text"]},
            },
            "description": "What the plan gives. `switch`: value; `text`: value; `limit`: limit (null: unlimited), "
            "meter, hard, alerts (per cent of the limit). See docs/billing-rules/entitlements.md.",
            "examples": [
                {"feature": "export", "kind": "switch"},
                {"feature": "api-calls", "kind": "limit", "limit": 10000, "meter": "api_calls", "alerts": [80, 100]},
            ],
        }
    ),
]


class IntervalBody(Incoming):
    """How long a billing period is."""

    unit: IntervalUnit
    count: Annotated[StrictInt, Field(ge=1, le=366)] = 1


_Prices = Annotated[
    dict[Currency, Price], Field(min_length=1, description="One pricing model for each currency of the plan.")
]


class ChargeBody(Incoming):
    """What is measured, and charged in arrears with the invoice that begins the next period."""

    code: Code
    name: Name
    meter: Annotated[Code, Field(description="The code of a meter that exists.")]
    prices: _Prices


class FeeBody(Incoming):
    """Charged once, with the first billed period."""

    code: Code
    name: Name
    amounts: Annotated[
        dict[Currency, StrictStr], Field(min_length=1, description="Decimal strings in major units: '49.00'.")
    ]


class AddOnBody(Incoming):
    """What subscribers may have besides, each unit at its own price for every period."""

    code: Code
    name: Name
    prices: _Prices


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
            "tax_inclusive": True,
            "fees": [{"code": "setup", "name": "Setup", "amounts": {"USD": "49.00"}}],
            "addons": [{"code": "support", "name": "Support", "prices": {"USD": {"type": "flat", "amount": "240.00"}}}],
        },
        {
            "code": "api-metered",
            "name": "API",
            "interval": {"unit": "month"},
            "prices": {"USD": {"type": "flat", "amount": "29.00"}},
            "charges": [
                {
                    "code": "calls",
                    "name": "API calls",
                    "meter": "api_calls",
                    "prices": {
                        "USD": {
                            "type": "graduated",
                            "tiers": [{"up_to": 10000, "unit_price": "0"}, {"up_to": None, "unit_price": "0.0015"}],
                        }
                    },
                }
            ],
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
    dunning_policy: PolicyCode | None = Field(
        default=None, description="A policy by its code, instead of `dunning`: new cases go by its newest version."
    )
    allow_multiple: StrictBool = Field(default=False, description="Whether one customer may hold this plan twice.")
    charges: Annotated[list[ChargeBody], Field(max_length=100)] = Field(default_factory=list)
    fees: Annotated[list[FeeBody], Field(max_length=100)] = Field(default_factory=list)
    addons: Annotated[list[AddOnBody], Field(max_length=100)] = Field(default_factory=list)
    entitlements: Annotated[list[Entitlement], Field(max_length=100)] = Field(default_factory=list)
    tax_inclusive: StrictBool = Field(default=False, description="Whether the prices hold the tax already.")
    cancel_refund: RefundPolicy = Field(
        default=RefundPolicy.NONE, description="What a cancellation at once gives back when it does not say so itself."
    )
    refund_to_credit: StrictBool = Field(default=False, description="Whether that goes to the customer's balance.")
    on_dispute: DisputePolicy = Field(
        default=DisputePolicy.FREEZE,
        description="What a disputed charge does to the subscription: `freeze` stops service and renewals until the "
        "bank has decided (lost, it ends), `cancel` ends it at once, `keep` does nothing.",
    )

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.dunning_policy is not None and "dunning" in self.model_fields_set:
            raise wrong("dunning_policy", "give either dunning or dunning_policy")
        return self


class IntervalOut(Outgoing):
    unit: str
    count: int


class PlanOut(Outgoing):
    """A version of a plan. `archived_at` is the plan's own: an archived one takes no new subscribers."""

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
    charges: list[dict[str, Any]]
    fees: list[dict[str, Any]]
    addons: list[dict[str, Any]]
    entitlements: list[dict[str, Any]]
    tax_inclusive: bool
    cancel_refund: str
    refund_to_credit: bool
    on_dispute: str
    created_at: datetime
    archived_at: datetime | None
