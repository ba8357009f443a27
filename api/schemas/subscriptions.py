"""Subscriptions: how one is asked for, what it looks like, what a change would cost, what has happened."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, StrictInt, model_validator

from api.schemas.commands import AddOn
from api.schemas.common import Code, Currency, Id, Incoming, Outgoing, Quantity, Timezone, Token, examples, wrong
from api.schemas.customers import NewCustomer
from perennial.engine.outcomes import Fate


class AddOnOut(Outgoing):
    code: str
    quantity: int


class SubscriptionTerms(Incoming):
    """What is subscribed to."""

    plan: Code
    currency: Currency = "USD"
    quantity: Quantity = 1
    timezone: Timezone | None = Field(default=None, description="Where its days begin and end; null: the customer's.")
    trial_days: Annotated[StrictInt, Field(ge=0, le=3650)] | None = Field(default=None, description="Null: the plan's.")
    coupons: Annotated[list[Code], Field(max_length=5)] = Field(
        default_factory=list, description="In the order they count in."
    )
    addons: Annotated[list[AddOn], Field(max_length=50)] = Field(default_factory=list)
    net_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = Field(
        default=None, description="Days to pay invoices that are sent; null: the customer's, or charged at once."
    )
    test_clock_id: Id | None = Field(default=None, description="It then lives in the time of this clock.")


class _ChargedTerms(SubscriptionTerms):
    payment_method_id: Id | None = Field(default=None, description="Null: the customer's default method.")


class NewSubscription(_ChargedTerms):
    """For a customer who exists (`customer_id`), or for a new one in the same request (`customer`)."""

    model_config = examples(
        {
            "customer": {"name": "Ada Lovelace", "email": "ada@example.com"},
            "payment_method": "pm_card_visa",
            "plan": "basic-monthly",
        },
        {"customer_id": "cus_0c4d1f3b9a5e7d26c8f0", "plan": "team-monthly", "currency": "EUR", "quantity": 5},
    )

    customer_id: Id | None = None
    customer: NewCustomer | None = None
    payment_method: Token | None = Field(default=None, description="A token that is attached to the customer first.")

    @model_validator(mode="after")
    def _one_customer_one_method(self) -> Self:
        if (self.customer_id is None) == (self.customer is None):
            raise wrong("customer_id", "give either customer_id or customer")
        if self.payment_method_id and (self.payment_method or self.customer):
            raise wrong("payment_method_id", "a new customer, or a new token, has no payment_method_id yet")
        return self


class SubscriptionPreview(_ChargedTerms):
    model_config = examples({"customer_id": "cus_0c4d1f3b9a5e7d26c8f0", "plan": "standard-monthly", "currency": "USD"})

    customer_id: Id


class SubscriptionOut(Outgoing):
    """Instants are UTC. `access` says whether the subscriber is to be served."""

    id: str
    customer_id: str
    status: str
    access: bool
    plan: str
    plan_version: int
    quantity: int
    currency: str
    timezone: str
    created_at: datetime
    period_start: datetime
    period_end: datetime
    next_due_kind: str | None
    next_due_at: datetime | None
    trial_end: datetime | None
    cancel_at: datetime | None
    paused_since: datetime | None
    resume_at: datetime | None
    pause_at: datetime | None
    scheduled_plan: str | None
    scheduled_quantity: int | None
    scheduled_addons: list[AddOnOut] | None
    scheduled_at: datetime | None
    skip_next: bool
    prepaid_periods: int
    gift_id: str | None
    coupons: list[str]
    addons: list[AddOnOut]
    net_days: int | None
    payment_method_id: str | None
    dunning_attempt: int
    decline_code: str | None
    ended_at: datetime | None
    end_reason: str | None
    test_clock_id: str | None
    parked_since: datetime | None = None
    dunning_policy: str | None = Field(default=None, description="Such as `gentle@3`; null: spelt out by the plan.")
    open_disputes: int = 0


class PreviewLine(Outgoing):
    """`amount` as priced, `discount` what is taken off it; `net` + `tax` is what it costs. A credit is negative."""

    kind: str
    description: str
    quantity: Decimal
    amount: int
    discount: int
    net: int
    tax: int
    period_start: datetime
    period_end: datetime


class TaxOut(Outgoing):
    """`base` is the net amount, `amount` the tax on it (minor units); `reason` says why there is none, if so."""

    jurisdiction: str
    name: str
    percent: Decimal
    category: str
    reason: str
    base: int
    amount: int


class DiscountOut(Outgoing):
    """What a coupon took off (minor units), and how much of its amount found nothing left to take off."""

    coupon: str
    amount: int
    unused: int


class PreviewOut(Outgoing):
    """What would be charged at once, in minor units, and what comes after it. `subscription` is how it would stand."""

    effective_at: datetime
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
    credit_issued: int
    next_invoice_at: datetime | None
    next_amount: int | None
    subscription: SubscriptionOut


class CommandOutcome(Outgoing):
    """`pending`: neither done nor refused so far, or nothing was asked for under this name. `code` as in a problem."""

    request_id: str
    status: Fate
    code: str | None


class TimelineItem(Outgoing):
    """`at` is the subscription's own time (UTC)."""

    at: datetime
    kind: str
    actor: str
    text: str
    data: dict[str, Any]


class Timeline(Outgoing):
    """Oldest first."""

    data: list[TimelineItem]
