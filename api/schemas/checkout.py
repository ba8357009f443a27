"""Checkout sessions: what is asked for, what they look like."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from api.schemas.common import Currency, Id, Incoming, Outgoing
from api.schemas.subscriptions import SubscriptionTerms
from perennial.engine.checkout import LONGEST, SHORTEST, Mode, SessionStatus


def _is_web_address(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise PydanticCustomError("url", "must begin with https:// or http://")
    return url


Url = Annotated[
    StrictStr,
    AfterValidator(_is_web_address),
    Field(
        max_length=2000, pattern=r"^https?://[!-~]+$", json_schema_extra={"examples": ["https://shop.example/thanks"]}
    ),
]


class _Checkout(Incoming):
    success_url: Url | None = Field(default=None, description="Where the page leads when all is done.")
    cancel_url: Url | None = Field(default=None, description="Where the page leads back to.")
    expires_in: Annotated[
        StrictInt,
        Field(ge=int(SHORTEST.total_seconds()), le=int(LONGEST.total_seconds()), description="Seconds."),
    ] = int(LONGEST.total_seconds())


class SubscriptionCheckout(SubscriptionTerms, _Checkout):
    """A new subscription: the customer sees what it costs, chooses a payment method and begins it."""

    mode: Literal[Mode.SUBSCRIPTION]
    customer_id: Id


class InvoiceCheckout(_Checkout):
    """An open invoice is paid."""

    mode: Literal[Mode.INVOICE]
    invoice_id: Id


class SetupCheckout(_Checkout):
    """A payment method is added, and nothing is charged; what the customer owes is tried with it at once."""

    mode: Literal[Mode.SETUP]
    customer_id: Id
    currency: Currency | None = Field(
        default=None,
        description="What it will be charged in: the routing chooses the gateway for it. Default: as the customer's "
        "subscriptions.",
    )


NewCheckoutSession = Annotated[SubscriptionCheckout | InvoiceCheckout | SetupCheckout, Field(discriminator="mode")]


class CheckoutSessionOut(Outgoing):
    """`url` is for the customer alone: whoever has it can pay. It is null when the session is over."""

    id: str
    mode: Mode
    status: SessionStatus
    url: str | None
    customer_id: str
    invoice_id: str | None
    subscription_id: str | None
    payment_method_id: str | None
    success_url: str | None
    cancel_url: str | None
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None
