"""How Stripe is asked: the official SDK, without retries of its own, its errors in the port's words."""

from collections.abc import Callable
from hashlib import sha256
from time import sleep
from typing import TypeVar

import stripe

from perennial.gateways.stripe.errors import is_busy, translated
from perennial.gateways.stripe.transport import Transport

T = TypeVar("T")

_LONGEST_KEY = 255
# How long a key or an object that another request holds is waited for, in seconds.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


class Client:
    """`api` is the typed SDK; every call to it goes through `ask`."""

    def __init__(self, secret_key: str, api_base: str, read_seconds: float | None = None) -> None:
        self._transport = Transport(read_seconds) if read_seconds else Transport()
        sdk = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            max_network_retries=0,  # whether something is sent again is decided by those who can look it up first
            http_client=self._transport,
        )
        self.api = sdk.v1

    def ask(self, what: str, call: Callable[[], T]) -> T:
        """Make one call. Raises the errors of `errors.translated`."""
        for pause in _PAUSES:
            try:
                return call()
            except stripe.StripeError as error:
                if not is_busy(error):
                    raise translated(error, what) from error
            sleep(pause)
        try:
            return call()
        except stripe.StripeError as error:
            raise translated(error, what) from error

    def close(self) -> None:
        self._transport.close()


def idempotency_key(key: str, spent: int = 0) -> str:
    """Our business key as Stripe takes it, at most 255 characters. `spent`: how many were used up before."""
    if spent:
        key = f"{key}#{spent}"
    return key if len(key) <= _LONGEST_KEY else f"{key[:180]}~{sha256(key.encode()).hexdigest()}"


def metadata(thing: stripe.PaymentIntent | stripe.Refund, name: str) -> str | None:
    """What stands at Stripe under one of our names."""
    values: dict[str, str] = thing.metadata.to_dict() if thing.metadata else {}
    return values.get(name)
