"""Which gateway new business goes to."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from api.schemas.common import Currency, Incoming, Outgoing, Token, examples
from perennial.domain.routing import MOST_RULES, Rule, Share

GatewayName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["stripe"])]
Country = Annotated[StrictStr, Field(pattern=r"^[A-Z]{2}$", examples=["DE"])]


class ShareBody(Incoming):
    """`percent` of the customers; 0: only when those before it are out of order."""

    gateway: GatewayName
    percent: Annotated[StrictInt, Field(ge=0, le=100)]


class RuleBody(Incoming):
    """Fits customers of a country who pay in a currency; what is left out fits all."""

    currency: Currency | None = None
    country: Country | None = None
    shares: Annotated[list[ShareBody], Field(min_length=1, max_length=20)] = Field(
        description="They add up to 100. Their order is the order of failover."
    )

    @property
    def rule(self) -> Rule:
        return Rule(tuple(Share(each.gateway, each.percent) for each in self.shares), self.currency, self.country)


class RoutingBody(Incoming):
    """The first rule that fits decides; where none does, the primary gateway."""

    model_config = examples(
        {"rules": [{"currency": "EUR", "shares": [{"gateway": "simulator", "percent": 100}]}]},
        {"rules": []},
    )

    rules: Annotated[list[RuleBody], Field(max_length=MOST_RULES)]


class GatewayOut(Outgoing):
    """One that the settings enable; `currencies` null: all of them."""

    name: str
    refunds: bool
    partial_refunds: bool
    three_d_secure: bool
    currencies: list[str] | None


class ShareOut(Outgoing):
    gateway: str
    percent: int


class RuleOut(Outgoing):
    currency: str | None
    country: str | None
    shares: list[ShareOut]


class RoutingOut(Outgoing):
    """`gateways`: the primary first. `set_at` is null where nothing was ever set."""

    rules: list[RuleOut]
    set_at: datetime | None
    gateways: list[GatewayOut]


class RoutingOrderOut(Outgoing):
    """Best first."""

    gateways: list[str]


class NewToken(Incoming):
    """The same card at one more gateway."""

    model_config = examples({"gateway": "simulator", "token": "pm_card_visa"})

    gateway: GatewayName
    token: Token


class PaymentMethodGateways(Outgoing):
    """Where the card of a payment method can be charged. The tokens themselves are never shown."""

    payment_method_id: str
    gateways: list[str]
