"""Credit: what a customer was given, what is left of it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.schemas.common import Currency, Incoming, Instant, Minor, MinorIn, Name, Outgoing, examples


class NewCreditGrant(Incoming):
    """Used by the next invoices of that currency, after tax; what expires first is used first."""

    model_config = examples(
        {"amount": 1500, "currency": "EUR", "reason": "Sorry for the outage"},
        {"amount": 500, "currency": "USD", "reason": "Welcome back", "expires_at": "2100-01-01T00:00:00Z"},
    )

    amount: MinorIn
    currency: Currency
    reason: Annotated[Name, Field(description="Why it was given, for those who ask later.")]
    expires_at: Annotated[Instant | None, Field(description="What is left then is lost; null: never.")] = None


class CreditUseOut(Outgoing):
    """What an invoice took of it; negative when the invoice was voided and gave it back."""

    invoice_id: str
    amount: Minor
    at: datetime


class CreditGrantOut(Outgoing):
    """`amount` = what was used + `expired` + `remaining`. `reason` says what kind of document it comes from, if any."""

    id: str
    customer_id: str
    currency: str
    amount: Minor
    remaining: Minor
    expired: Minor
    reason: str
    granted_at: datetime
    expires_at: datetime | None
    uses: list[CreditUseOut]


class StandingOut(Outgoing):
    """What could be used now, of one currency; `next_expiry_amount` of it is lost at `next_expiry_at`."""

    currency: str
    amount: Minor
    next_expiry_at: datetime | None
    next_expiry_amount: Minor


class BalanceOut(Outgoing):
    """A currency without credit is not named. `as_of` is now, or where the customer's test clock stands."""

    customer_id: str
    as_of: datetime
    currencies: list[StandingOut]
