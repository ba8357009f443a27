"""What Stripe's words leave open stays open: a refund on its way, a confirmation whose answer could not be read."""

import pytest
import stripe

from perennial.gateways.stripe.charges import Charges
from perennial.gateways.stripe.refunds import result
from perennial.ports import GatewayOutcomeUnknown, GatewayUnavailable, RefundStatus


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("succeeded", RefundStatus.SUCCEEDED),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.FAILED),
    ],
)
def test_a_refund_on_its_way_has_not_succeeded(told: str, status: RefundStatus) -> None:
    refund = stripe.Refund.construct_from({"id": "re_1", "status": told}, None)
    assert result(refund).status is status


def test_a_429_after_the_confirmation_is_no_certainty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else another gateway would be asked for what Stripe may have taken."""

    def busy(_self: Charges, _intent: str) -> stripe.PaymentIntent:
        raise GatewayUnavailable("429")

    monkeypatch.setattr(Charges, "retrieve", busy)
    charges = Charges.__new__(Charges)
    with pytest.raises(GatewayOutcomeUnknown, match="was confirmed"):
        charges._retrieve_confirmed("pi_1", "charge:1")
