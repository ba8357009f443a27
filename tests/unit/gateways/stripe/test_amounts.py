"""Stripe's minor units: figures from docs.stripe.com/currencies."""

import pytest

from perennial.domain.money import CURRENCIES as OURS
from perennial.gateways.stripe.amounts import CURRENCIES, from_stripe, to_stripe
from perennial.ports import GatewayRefused


@pytest.mark.parametrize(
    ("currency", "ours", "theirs"),
    [
        ("USD", 1000, 1000),
        ("JPY", 500, 500),
        ("KRW", 9900, 9900),
        ("ISK", 5, 500),
        ("UGX", 5, 500),
        ("HUF", 104500, 104500),
        ("TWD", 80045, 80045),
        ("MGA", 500, 5),
        ("KWD", 5120, 5120),
        ("BHD", 10, 10),
    ],
)
def test_amounts_are_exact_both_ways(currency: str, ours: int, theirs: int) -> None:
    assert to_stripe(ours, currency) == theirs
    assert from_stripe(theirs, currency.lower()) == ours


@pytest.mark.parametrize(
    ("currency", "minor"),
    [("KWD", 5124), ("MGA", 501), ("USD", 0), ("USD", -1), ("usd", 100), ("", 100), ("CUP", 100), ("USD", 10**12)],
)
def test_what_stripe_cannot_express_is_refused(currency: str, minor: int) -> None:
    with pytest.raises(GatewayRefused) as refusal:
        to_stripe(minor, currency)
    assert not refusal.value.retryable


def test_an_amount_of_stripe_that_is_no_whole_minor_unit_is_refused() -> None:
    with pytest.raises(GatewayRefused):
        from_stripe(550, "isk")


def test_every_currency_of_stripe_is_one_of_ours() -> None:
    assert CURRENCIES <= OURS
    assert len(CURRENCIES) > 135
    assert {currency: to_stripe(1000, currency) for currency in CURRENCIES}
