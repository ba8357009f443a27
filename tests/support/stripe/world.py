"""What tests of the Stripe adapter begin with: a gateway on the stand-in, cards, signed events."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import stripe
from sqlalchemy import Engine

from perennial.gateways.stripe import StripeGateway
from tests.support.stripe import openapi
from tests.support.stripe.server import SECRET_KEY, StandIn

PAYS = "4242424242424242"
CHARGE_DECLINED = "4000000000000341"
ASKS_FOR_3DS = "4000002760003184"
DECLINE_CODES = ("generic_decline", "insufficient_funds", "do_not_honor", "fraudulent", "expired_card")


def stripe_gateway(stand: StandIn, engine: Engine, secret: str, **changes: Any) -> StripeGateway:
    """As the registry makes one, but for the address. To be closed."""
    values: dict[str, Any] = {"secret_key": SECRET_KEY, "webhook_secret": secret, "api_base": stand.url}
    gateway = StripeGateway(engine, **values | changes)
    gateway.create_schema()
    return gateway


def new_card(stand: StandIn, number: str = PAYS, declined_with: str | None = None) -> str:
    """A payment method as Stripe's form in a browser makes it, not attached to anybody. Answers its token."""
    fields = {
        "type": "card",
        "card[number]": number,
        "card[exp_month]": "12",
        "card[exp_year]": "2034",
        "card[cvc]": "123",
    }
    if declined_with:
        fields["metadata[declined_with]"] = declined_with
    status, made = stand.manners.answer("POST", "/v1/payment_methods", "", urlencode(fields))
    assert status == 200, made
    token: str = made["id"]
    return token


def signed(secret: str, event: dict[str, Any], at: datetime | None = None) -> tuple[bytes, dict[str, str]]:
    """A webhook as Stripe sends it, signed by Stripe's SDK; `at` is when (UTC), now if it is not said."""
    body = json.dumps(event)
    timestamp = int(at.timestamp()) if at else None
    header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return body.encode(), {"Stripe-Signature": header}


def event(name: str, thing: dict[str, Any], event_id: str = "evt_1") -> dict[str, Any]:
    return fixture("event") | {"id": event_id, "type": name, "data": {"object": thing}}


def fixture(resource: str, **changes: Any) -> dict[str, Any]:
    """Stripe's own sample of a resource."""
    sample: dict[str, Any] = openapi.load("stripe_fixtures_2026-07-29.json.gz")[resource]
    return sample | changes


def payment_succeeded(secret: str, charge_key: str, gateway_ref: str) -> tuple[bytes, dict[str, str]]:
    intent = fixture(
        "payment_intent",
        id=gateway_ref,
        amount=1999,
        status="succeeded",
        last_payment_error=None,
        metadata={"charge_key": charge_key},
    )
    return signed(secret, event("payment_intent.succeeded", intent))
