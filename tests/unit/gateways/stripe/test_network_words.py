"""What the card's network says of a decline is passed on, where Stripe tells it."""

from typing import Any

import pytest
import stripe

from perennial.gateways.stripe.charges import result
from perennial.ports import ChargeStatus


def _intent(error: dict[str, Any] | None, status: str = "requires_payment_method") -> stripe.PaymentIntent:
    return stripe.PaymentIntent.construct_from(
        {"id": "pi_1", "object": "payment_intent", "status": status, "last_payment_error": error}, "sk_test_x"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"network_decline_code": "43", "network_advice_code": "03"}, ("43", "03")),
        ({"network_decline_code": "51"}, ("51", None)),
        ({"network_decline_code": None}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_of_a_decline(said: dict[str, Any], words: tuple[str | None, str | None]) -> None:
    error = {"type": "card_error", "code": "card_declined", "decline_code": "stolen_card", **said}
    told = result(_intent(error))
    assert told is not None
    assert (told.status, told.decline_code) == (ChargeStatus.DECLINED, "stolen_card")
    assert (told.response_code, told.advice_code) == words


def test_of_what_went_through_after_a_decline_nothing_is_told() -> None:
    """The last error stays on the object; it is no part of this outcome."""
    told = result(_intent({"type": "card_error", "code": "card_declined", "network_decline_code": "43"}, "succeeded"))
    assert told is not None
    assert (told.status, told.response_code, told.advice_code) == (ChargeStatus.SUCCEEDED, None, None)
