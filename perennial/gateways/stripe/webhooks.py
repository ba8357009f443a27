"""Stripe's events in the port's words. Signed by Stripe over the time of sending and the raw body."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import stripe

from perennial.gateways.stripe.amounts import from_stripe
from perennial.gateways.stripe.charges import CHARGE_KEY, result
from perennial.ports import ChargeStatus, GatewayEvent, GatewayEventKind, GatewayRefused, InvalidSignature

HEADER = "Stripe-Signature"
# How old a signature may be, in seconds.
TOLERANCE_SECONDS = 300

_Object = dict[str, Any]
# Our key for a PaymentIntent's id, from what we wrote down ourselves.
KeyOf = Callable[[str], str | None]

_PAYMENTS = {
    ChargeStatus.SUCCEEDED: GatewayEventKind.PAYMENT_SUCCEEDED,
    ChargeStatus.DECLINED: GatewayEventKind.PAYMENT_FAILED,
    ChargeStatus.REQUIRES_ACTION: GatewayEventKind.PAYMENT_REQUIRES_ACTION,
    ChargeStatus.PROCESSING: GatewayEventKind.PAYMENT_PROCESSING,
    ChargeStatus.CANCELED: GatewayEventKind.PAYMENT_CANCELED,
}
_PAYMENT_EVENTS = frozenset({"succeeded", "payment_failed", "requires_action", "processing", "canceled"})
# `charge.refunded` says the same once more, for all refunds of a charge together: it is stored, and nothing else.
_REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
_REFUNDS = {
    "succeeded": GatewayEventKind.REFUND_SUCCEEDED,
    "failed": GatewayEventKind.REFUND_FAILED,
    "canceled": GatewayEventKind.REFUND_FAILED,
}
# An inquiry (`warning_...`) takes no money; when it becomes a dispute, `funds_withdrawn` says so.
_DISPUTES_OPENED = frozenset({"charge.dispute.created", "charge.dispute.funds_withdrawn"})
_INQUIRY = "warning_"
# The bank's decision, and its reversal, which comes without another `closed`.
_DISPUTES_DECIDED = frozenset({"charge.dispute.closed", "charge.dispute.updated", "charge.dispute.funds_reinstated"})
_DISPUTES = {
    "won": GatewayEventKind.DISPUTE_WON,
    "lost": GatewayEventKind.DISPUTE_LOST,
}
_CARD_EVENTS = frozenset({"payment_method.automatically_updated", "payment_method.updated"})


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises InvalidSignature unless Stripe signed the body with our secret within the last five minutes."""
    header = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), None)
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError as error:
        raise InvalidSignature("Stripe did not sign this, or too long ago") from error
    except UnicodeDecodeError as error:
        raise InvalidSignature("a body that is not UTF-8 is none of Stripe's") from error


def parse(body: bytes, key_of: KeyOf) -> GatewayEvent:
    """The event in a body whose signature has been checked. Raises GatewayRefused when it is none."""
    try:
        event = json.loads(body)
        told = _event(str(event["id"]), str(event["type"]), event["data"]["object"], key_of)
        return replace(told, at=datetime.fromtimestamp(event["created"], UTC))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GatewayRefused(f"not an event of Stripe: {type(error).__name__}") from error


def _event(event_id: str, name: str, thing: _Object, key_of: KeyOf) -> GatewayEvent:
    family, _, what = name.partition(".")
    if family == "payment_intent" and what in _PAYMENT_EVENTS:
        return _payment(event_id, thing, key_of)
    if name in _REFUND_EVENTS and thing["status"] in _REFUNDS:
        failure = thing.get("failure_reason")
        return _about_payment(event_id, _REFUNDS[thing["status"]], thing, key_of, decline_code=failure)
    if name in _DISPUTES_OPENED and not thing["status"].startswith(_INQUIRY):
        kind = GatewayEventKind.DISPUTE_OPENED
        return _about_payment(event_id, kind, thing, key_of, decline_code=thing.get("reason"))
    if name in _DISPUTES_DECIDED and thing["status"] in _DISPUTES:
        return _about_payment(event_id, _DISPUTES[thing["status"]], thing, key_of, decline_code=thing.get("reason"))
    kind = GatewayEventKind.CARD_UPDATED if name in _CARD_EVENTS else GatewayEventKind.OTHER
    return GatewayEvent(event_id, kind, None, str(thing.get("id", "")), None, None, 0, "XXX")


def dispute(event_id: str, thing: _Object, key_of: KeyOf) -> GatewayEvent | None:
    """What the newest event of a dispute would tell; None for an inquiry, which takes no money."""
    if thing["status"].startswith(_INQUIRY):
        return None
    kind = _DISPUTES.get(thing["status"], GatewayEventKind.DISPUTE_OPENED)
    return _about_payment(event_id, kind, thing, key_of, decline_code=thing.get("reason"))


def _payment(event_id: str, thing: _Object, key_of: KeyOf) -> GatewayEvent:
    found = result(stripe.PaymentIntent.construct_from(thing, None))
    return GatewayEvent(
        event_id=event_id,
        kind=GatewayEventKind.OTHER if found is None else _PAYMENTS[found.status],
        charge_key=_charge_key(thing, thing["id"], key_of),
        gateway_ref=thing["id"],
        status=None if found is None else found.status,
        decline_code=None if found is None else found.decline_code,
        amount=from_stripe(thing["amount"], thing["currency"]),
        currency=thing["currency"].upper(),
    )


def _about_payment(
    event_id: str, kind: GatewayEventKind, thing: _Object, key_of: KeyOf, decline_code: str | None = None
) -> GatewayEvent:
    """A refund or a dispute: `gateway_ref` is its own id, the payment is named by our key."""
    return GatewayEvent(
        event_id=event_id,
        kind=kind,
        charge_key=_charge_key(thing, thing.get("payment_intent"), key_of),
        gateway_ref=thing["id"],
        status=None,
        decline_code=decline_code,
        amount=from_stripe(thing["amount"], thing["currency"]),
        currency=thing["currency"].upper(),
    )


def _charge_key(thing: _Object, intent: str | _Object | None, key_of: KeyOf) -> str | None:
    """Our key: what we wrote down for this payment comes before what stands at Stripe, where people can edit it."""
    intent_id = intent["id"] if isinstance(intent, dict) else intent
    known = key_of(intent_id) if intent_id else None
    told: str | None = (thing.get("metadata") or {}).get(CHARGE_KEY)
    return known or told
