"""Stripe behind the gateway port; each story is told in a module of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr
from sqlalchemy import Engine

from perennial.gateways.stripe import webhooks
from perennial.gateways.stripe.amounts import CURRENCIES
from perennial.gateways.stripe.charges import Charges
from perennial.gateways.stripe.client import Client
from perennial.gateways.stripe.methods import Methods
from perennial.gateways.stripe.recall import Recall
from perennial.gateways.stripe.reconciliation import Reconciliation
from perennial.gateways.stripe.references import Kind, References
from perennial.gateways.stripe.refunds import Refunds
from perennial.ports import (
    CardDetails,
    CardSetup,
    ChargeRequest,
    ChargeResult,
    GatewayCapabilities,
    GatewayEvent,
    GatewayPayment,
    Page,
    RefundRequest,
    RefundResult,
)

API_BASE = "https://api.stripe.com"


class StripeGateway:
    """Cards through PaymentIntents. `engine` holds what Stripe's objects are called by us, in a schema of its own."""

    name = "stripe"
    capabilities = GatewayCapabilities(
        refunds=True,
        partial_refunds=True,
        three_d_secure=True,
        webhooks=True,
        lookup_by_reference=True,
        reconciliation=True,
        currencies=CURRENCIES,
    )

    def __init__(
        self,
        engine: Engine,
        *,
        secret_key: str,
        webhook_secret: str,
        api_base: str = API_BASE,
        read_seconds: float | None = None,
    ) -> None:
        self._client = Client(secret_key, api_base, read_seconds)
        self._webhook_secret = webhook_secret
        self._references = References(engine)
        self._methods = Methods(self._client, self._references)
        self._charges = Charges(self._client, self._references, self._methods)
        self._refunds = Refunds(self._client, self._references, self._charges)
        self._reconciliation = Reconciliation(self._client, self._references)
        self._recall = Recall(self._client, self._references)

    def create_schema(self) -> None:
        """Make the table of references where it is missing."""
        self._references.create_schema()

    def close(self) -> None:
        """Close the connections to Stripe."""
        self._client.close()

    def describe_token(self, token: str) -> CardDetails:
        return self._methods.describe(token)

    def charge(self, request: ChargeRequest) -> ChargeResult:
        return self._charges.charge(request)

    def find_charge(self, key: str) -> ChargeResult | None:
        return self._charges.find(key)

    def cancel_charge(self, key: str) -> ChargeResult | None:
        return self._charges.cancel(key)

    def refund(self, request: RefundRequest) -> RefundResult:
        return self._refunds.refund(request)

    def find_refund(self, key: str) -> RefundResult | None:
        return self._refunds.find(key)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> GatewayEvent:
        webhooks.verify(self._webhook_secret, body, headers)
        return webhooks.parse(body, self._key_of)

    def payments(self, after: str | None, limit: int) -> Page[GatewayPayment]:
        return self._reconciliation.page(after, limit)

    def create_setup(self, customer_reference: str) -> CardSetup:
        return self._methods.set_up(customer_reference)

    def find_setup(self, gateway_ref: str) -> CardSetup | None:
        return self._methods.find_set_up(gateway_ref)

    def authentication_url(self, gateway_ref: str, return_url: str) -> str | None:
        return self._charges.authentication_url(gateway_ref, return_url)

    def disputes(self, since: datetime) -> Sequence[GatewayEvent]:
        return self._recall.disputes(since, self._key_of)

    def recall(self, since: datetime) -> int:
        return self._recall.references(since)

    def _key_of(self, intent_id: str) -> str | None:
        known = self._references.by_object(Kind.CHARGE, intent_id)
        return None if known is None else known.key


class StripeSettings(Protocol):
    @property
    def stripe_secret_key(self) -> SecretStr | None: ...
    @property
    def stripe_webhook_secret(self) -> SecretStr | None: ...
    @property
    def stripe_api_base(self) -> str: ...


def build(settings: StripeSettings, engine: Engine) -> StripeGateway:
    """The gateway that the settings name; they have been checked when they were read."""
    key, secret = settings.stripe_secret_key, settings.stripe_webhook_secret
    assert key is not None, "stripe_secret_key"
    assert secret is not None, "stripe_webhook_secret"
    return StripeGateway(
        engine,
        secret_key=key.get_secret_value(),
        webhook_secret=secret.get_secret_value(),
        api_base=settings.stripe_api_base,
    )
