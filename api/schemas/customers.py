"""Customers and what may be shown of their cards."""

from datetime import datetime
from typing import Self

from pydantic import StrictBool, model_validator

from api.schemas.common import Email, Incoming, Name, Outgoing, Timezone, Token, examples, wrong

_ADA = {"name": "Ada Lovelace", "email": "ada@example.com", "timezone": "Europe/London"}


class NewCustomer(Incoming):
    model_config = examples(_ADA)

    name: Name
    email: Email
    timezone: Timezone = "UTC"


class CustomerChange(Incoming):
    """Only what is named changes. Subscriptions keep the time zone that they began with."""

    model_config = examples({"email": "ada@lovelace.example"})

    name: Name | None = None
    email: Email | None = None
    timezone: Timezone | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.name is self.email is self.timezone is None:
            raise wrong("name", "nothing to change: give name, email or timezone")
        return self


class CustomerOut(Outgoing):
    id: str
    name: str
    email: str
    timezone: str
    created_at: datetime


class NewPaymentMethod(Incoming):
    model_config = examples({"token": "pm_card_visa"}, {"token": "pm_card_mastercard", "default": False})

    token: Token
    default: StrictBool = True


class PaymentMethodOut(Outgoing):
    """The token itself is never shown again."""

    id: str
    customer_id: str
    gateway: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool
    created_at: datetime


class PaymentMethods(Outgoing):
    data: list[PaymentMethodOut]
