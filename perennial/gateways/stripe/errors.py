"""Stripe's errors in the port's words.

stripe.StripeError
├── CardError                   Declined: the caller makes a result of it
├── APIConnectionError          GatewayOutcomeUnknown; NotSent: GatewayUnavailable
├── APIError (5xx)              ServerFailed: a GatewayOutcomeUnknown, repeated for the same key for 24 hours
├── APIError (409)              GatewayUnavailable: another request holds the key
├── RateLimitError              GatewayUnavailable: too many, or another request holds the object
├── IdempotencyError            IdempotencyConflict
├── InvalidRequestError         UnknownToken, WrongState, Declined (an amount below Stripe's least), GatewayRefused
└── all others (401, 403)       GatewayRefused
"""

import stripe

from perennial.gateways.stripe.transport import NotSent
from perennial.ports import (
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRefused,
    GatewayUnavailable,
    IdempotencyConflict,
    UnknownToken,
)

GENERIC_DECLINE = "generic_decline"
# What Stripe calls an amount that it does not charge; as a decline it is seen and chased, not retried as a defect.
INVALID_AMOUNT = "invalid_amount"
AUTHENTICATION_REQUIRED = "authentication_required"
# The port's word for a customer who failed 3-D Secure.
AUTHENTICATION_FAILED = "authentication_failed"

_CONFLICT = 409
_SERVER_ERROR = 500
_AMOUNT_CODES = frozenset({"amount_too_small", "amount_too_large"})
_GONE_CODES = frozenset({"resource_missing", "payment_method_unexpected_state", "payment_method_customer_mismatch"})


class Declined(Exception):
    """The bank (or Stripe for it) said no; `code` is the decline code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ServerFailed(GatewayOutcomeUnknown):
    """Stripe answered 5xx, and gives that answer again to the same idempotency key."""


class WrongState(GatewayRefused):
    """The payment has moved on: ask what is true of it now."""


class NotFound(GatewayRefused):
    """Stripe has no such object."""


def is_busy(error: stripe.StripeError) -> bool:
    """Whether another request is at the same key or object: nothing was done, and in a moment it is free."""
    return error.http_status == _CONFLICT or code_of(error) == "lock_timeout"


def translated(error: stripe.StripeError, what: str) -> GatewayError | Declined:
    """The error to raise. Messages name the request, never what Stripe says of a person."""
    told = f"{what}: {code_of(error) or type(error).__name__} (request {error.request_id or 'unknown'})"
    match error:
        case stripe.CardError():
            return Declined(decline_code(error.error))
        case NotSent() | stripe.RateLimitError():
            return GatewayUnavailable(told)
        case stripe.APIConnectionError():
            return GatewayOutcomeUnknown(told)
        case stripe.IdempotencyError():
            return IdempotencyConflict(told)
        case stripe.InvalidRequestError():
            return _invalid(error, told)
        case stripe.APIError() if error.http_status == _CONFLICT:
            return GatewayUnavailable(told)
        case stripe.APIError() if (error.http_status or 0) >= _SERVER_ERROR:
            return ServerFailed(told)
        case stripe.APIError():
            return GatewayOutcomeUnknown(told)
    return GatewayRefused(told)


def decline_code(error: stripe.ErrorObject | stripe.PaymentIntent.LastPaymentError | None) -> str:
    """The bank's reason in Stripe's words, which are the port's: its own code, else the kind of the error."""
    # Stripe leaves out what does not apply, and the SDK then knows no such attribute.
    kind, code = getattr(error, "code", None), getattr(error, "decline_code", None)
    if kind == "payment_intent_authentication_failure":
        return AUTHENTICATION_FAILED
    code = code or kind
    return GENERIC_DECLINE if code in {None, "card_declined"} else str(code)


def code_of(error: stripe.StripeError) -> str | None:
    return error.code or (error.error.code if error.error else None)


def _invalid(error: stripe.InvalidRequestError, told: str) -> GatewayError | Declined:
    code = code_of(error)
    if code in _AMOUNT_CODES:
        return Declined(INVALID_AMOUNT)
    if code == "payment_intent_unexpected_state":
        return WrongState(told)
    if code in _GONE_CODES and error.param == "payment_method":
        return UnknownToken(told)
    if code == "resource_missing":
        return NotFound(told)
    return GatewayRefused(told)
