"""The simulator's webhook format: a JSON body, signed over the time of sending and the raw bytes."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from perennial.ports import ChargeStatus, GatewayEvent, GatewayEventKind, GatewayRefused, InvalidSignature

HEADER = "Simulator-Signature"
# How old (or how far ahead, by a wrong clock) a signature may be.
TOLERANCE_SECONDS = 300


def sign(secret: str, body: bytes, at: datetime) -> str:
    """The value of the signature header for a body sent at `at`."""
    timestamp = int(at.timestamp())
    return f"t={timestamp},v1={_digest(secret, timestamp, body)}"


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises InvalidSignature unless the body was signed with our secret within the last five minutes."""
    header = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), "")
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    timestamp = parts.get("t", "")
    if not timestamp.isascii() or not timestamp.isdigit():
        raise InvalidSignature("no signature")
    if not hmac.compare_digest(_digest(secret, int(timestamp), body).encode(), parts.get("v1", "").encode()):
        raise InvalidSignature("the signature does not match the body")
    if abs(datetime.now(UTC).timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise InvalidSignature("the signature is too old")


def parse(body: bytes) -> GatewayEvent:
    """The event in a body whose signature has been checked. Raises GatewayRefused when it is none."""
    try:
        event: dict[str, Any] = json.loads(body)
        return GatewayEvent(
            event_id=event["id"],
            kind=GatewayEventKind(event["kind"]),
            charge_key=event["charge_key"],
            gateway_ref=event["gateway_ref"],
            status=None if event["status"] is None else ChargeStatus(event["status"]),
            decline_code=event["decline_code"],
            amount=int(event["amount"]),
            currency=event["currency"],
            at=datetime.fromisoformat(event["created_at"]) if event.get("created_at") else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise GatewayRefused(f"not an event of the simulator: {error}") from error


def _digest(secret: str, timestamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()
