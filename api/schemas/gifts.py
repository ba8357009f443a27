"""Gifts: bought by one, claimed by another."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from api.schemas.common import (
    Code,
    Currency,
    Email,
    Id,
    Incoming,
    Instant,
    Name,
    Outgoing,
    Prose,
    Quantity,
    Timezone,
    examples,
)


class NewGift(Incoming):
    model_config = examples(
        {
            "giver_id": "cus_0c4d1f3b9a5e7d26c8f0",
            "plan": "standard-monthly",
            "currency": "USD",
            "periods": 6,
            "recipient_name": "Charles Babbage",
            "recipient_email": "charles@example.com",
            "message": "Happy birthday!",
            "deliver_at": "2026-12-24T08:00:00Z",
        }
    )

    giver_id: Id
    plan: Code
    currency: Currency = "USD"
    periods: Annotated[StrictInt, Field(ge=1, le=120)]
    quantity: Quantity = 1
    recipient_name: Name
    recipient_email: Email
    message: Prose = ""
    deliver_at: Instant | None = Field(default=None, description="Null: at once.")
    payment_method_id: Id | None = Field(default=None, description="Null: the giver's default method.")
    test_clock_id: Id | None = None


class GiftClaim(Incoming):
    model_config = examples({"code": "K7PM-2QXA-9RTD", "customer_id": "cus_0c4d1f3b9a5e7d26c8f0"})

    code: Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9 -]+$")]
    customer_id: Id
    timezone: Timezone | None = Field(default=None, description="Null: the customer's.")


class GiftOut(Outgoing):
    """Status: pending, scheduled, delivered, claimed, expired, canceled, payment_failed."""

    id: str
    giver_id: str
    recipient_name: str
    recipient_email: str
    recipient_id: str | None
    message: str
    claim_code: str
    plan_code: str
    plan_version: int
    quantity: int
    periods: int
    currency: str
    status: str
    deliver_at: datetime
    expires_at: datetime | None
    subscription_id: str | None
    test_clock_id: str | None
    created_at: datetime
