"""The adapters that every contract test runs over. A new adapter is one more entry in `ADAPTERS`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest

from perennial.gateways.simulator import SimulatorGateway, signatures
from perennial.gateways.stripe import StripeGateway
from perennial.ports import CardDetails, ChargeRequest, PaymentGateway, RefundRequest
from tests.support.stripe.manners import ATTACH_DECLINES
from tests.support.stripe.server import StandIn
from tests.support.stripe.world import (
    ASKS_FOR_3DS,
    CHARGE_DECLINED,
    DECLINE_CODES,
    new_card,
    payment_succeeded,
)

SECRET = "whsec_of_the_contract_suite"


@dataclass(frozen=True)
class Adapter:
    """A gateway and what the suite must know of its test world: tokens by behaviour, and the customer's hands.

    `declined` maps a token to the decline code that it gives. `webhook` makes a body and headers as the gateway would
    send them for a succeeded charge.
    """

    gateway: PaymentGateway
    token: str
    card: CardDetails
    declined: dict[str, str]
    authentication_token: str
    lost_answer_token: str
    authenticate: Callable[[str, bool], object]
    return_refund: Callable[[str], object]
    webhook: Callable[[str, str], tuple[bytes, dict[str, str]]]

    def request(self, key: str | None = None, **changes: object) -> ChargeRequest:
        values: dict[str, object] = {
            "key": key or f"charge:{uuid4()}:1",
            "amount": 1999,
            "currency": "USD",
            "token": self.token,
            "customer_reference": "cus_contract",
            "description": "inv_contract",
        }
        return ChargeRequest(**values | changes)

    def refund_request(self, request: ChargeRequest, gateway_ref: str, amount: int) -> RefundRequest:
        return RefundRequest(
            key=f"refund:{uuid4()}:1",
            charge_key=request.key,
            gateway_ref=gateway_ref,
            amount=amount,
            currency=request.currency,
        )


def simulator(request: pytest.FixtureRequest, name: str = "simulator") -> Adapter:
    gateway = SimulatorGateway(request.getfixturevalue("gateway_engine"), webhook_secret=SECRET, name=name)
    gateway.create_schema()

    def webhook(charge_key: str, gateway_ref: str) -> tuple[bytes, dict[str, str]]:
        body = json.dumps(
            {
                "id": "evt_1",
                "kind": "payment_succeeded",
                "charge_key": charge_key,
                "gateway_ref": gateway_ref,
                "status": "succeeded",
                "decline_code": None,
                "amount": 1999,
                "currency": "USD",
            }
        ).encode()
        return body, {signatures.HEADER: signatures.sign(SECRET, body, datetime.now(UTC))}

    token = f"pm_card_visa:{uuid4()}"
    return Adapter(
        gateway=gateway,
        token=token,
        card=gateway.describe_token(token),
        declined={
            "pm_card_chargeDeclined": "generic_decline",
            "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
            "pm_card_chargeDeclinedLostCard": "lost_card",
            "pm_card_chargeDeclinedStolenCard": "stolen_card",
            "pm_card_chargeDeclinedExpiredCard": "expired_card",
            "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
            "pm_card_chargeDeclinedProcessingError": "processing_error",
            "pm_card_chargeDeclinedDoNotHonor": "do_not_honor",
        },
        authentication_token="pm_card_authenticationRequired",
        lost_answer_token="pm_card_captures_then_times_out",
        authenticate=lambda gateway_ref, success: gateway.authenticate(gateway_ref, success=success),
        return_refund=gateway.return_refund,
        webhook=webhook,
    )


def stripe(request: pytest.FixtureRequest) -> Adapter:
    stand: StandIn = request.getfixturevalue("stand")
    gateway: StripeGateway = request.getfixturevalue("stripe")
    token, lossy = new_card(stand), new_card(stand)
    stand.lossy.add(lossy)

    def authenticate(gateway_ref: str, success: bool) -> None:  # noqa: FBT001 (as the suite calls it)
        gateway.authentication_url(gateway_ref, "https://shop.example/back")
        stand.manners.authenticate(gateway_ref, success=success)

    return Adapter(
        gateway=gateway,
        token=token,
        card=gateway.describe_token(token),
        declined={new_card(stand, CHARGE_DECLINED, code): code for code in DECLINE_CODES}
        | {new_card(stand, number): code for number, code in ATTACH_DECLINES.items()},
        authentication_token=new_card(stand, ASKS_FOR_3DS),
        lost_answer_token=lossy,
        authenticate=authenticate,
        return_refund=stand.manners.return_refund,
        webhook=lambda charge_key, gateway_ref: payment_succeeded(SECRET, charge_key, gateway_ref),
    )


# Each may ask for the fixtures that it needs.
ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Adapter]] = {
    "simulator": simulator,
    "simulator_2": partial(simulator, name="simulator_2"),
    "stripe": stripe,
}
