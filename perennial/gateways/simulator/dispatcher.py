"""Delivers the simulator's events to the merchant's webhook address; late, doubled, dropped, disordered if so told."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, Row, text

from perennial.gateways.simulator import books, refunds, signatures
from perennial.gateways.simulator.faults import FaultBoard, SimulatorFaults

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60
# After an hour or so a real gateway would slow down to hours; here nobody waits that long.
_MOST_ATTEMPTS = 60

_CLAIM = """
SELECT * FROM simulator.events
WHERE deliveries_left > 0 AND deliver_at <= now() - make_interval(secs => :delay_ms / 1000.0)
ORDER BY {order} LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_OLDEST_FIRST = text(_CLAIM.format(order="deliver_at, id"))
_NEWEST_FIRST = text(_CLAIM.format(order="id DESC"))
_DELIVERED = text(
    """
UPDATE simulator.events SET deliveries_left = deliveries_left - 1 + :again, attempts = attempts + 1,
                            delivered_at = COALESCE(delivered_at, now()), last_error = NULL
WHERE id = :id
"""
)
_DROPPED = text("UPDATE simulator.events SET deliveries_left = 0, dropped = true WHERE id = :id")
_FAILED = text(
    """
UPDATE simulator.events SET attempts = attempts + 1, last_error = :error, deliver_at = :at,
                            deliveries_left = CASE WHEN attempts + 1 >= :most THEN 0 ELSE deliveries_left END
WHERE id = :id
"""
)


class WebhookDispatcher:
    """One per relay process; several may run at once, each event is held by one of them while it is delivered."""

    def __init__(self, engine: Engine, *, url: str, secret: str, timeout_seconds: float = 5) -> None:
        self._engine = engine
        autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._autocommit = autocommit
        self._faults = FaultBoard(autocommit)
        self._url = url
        self._secret = secret
        # Our own address on our own machine or network: a proxy of the environment has no business here.
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def run_once(self, limit: int = 100) -> int:
        """Settle what was `processing` or pending, then deliver what is due. Answers the number of events."""
        with self._autocommit.connect() as connection:
            books.settle_due(connection, limit)
            refunds.settle_due(connection, limit)
        dealt_with = 0
        while dealt_with < limit and self._deliver_next():
            dealt_with += 1
        return dealt_with

    def _deliver_next(self) -> bool:
        faults = self._faults.current()
        claim = _NEWEST_FIRST if faults.webhook_reorder else _OLDEST_FIRST
        with self._engine.begin() as connection:
            event = connection.execute(claim, {"delay_ms": faults.webhook_delay_ms}).first()
            if event is None:
                return False
            self._deliver(connection, event, faults)
        return True

    def _deliver(self, connection: Connection, event: Row[Any], faults: SimulatorFaults) -> None:
        is_first = event.delivered_at is None
        if is_first and self._faults.strikes("webhook_drop_every", faults.webhook_drop_every):
            connection.execute(_DROPPED, {"id": event.id})
            return
        error = self._post(event)
        if error is None:
            again = is_first and self._faults.strikes("webhook_double_every", faults.webhook_double_every)
            connection.execute(_DELIVERED, {"id": event.id, "again": int(again)})
            return
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(event.attempts, 10), _LONGEST_WAIT_SECONDS)
        connection.execute(
            _FAILED,
            {
                "id": event.id,
                "error": error,
                "at": datetime.now(UTC) + timedelta(seconds=wait),
                "most": _MOST_ATTEMPTS,
            },
        )

    def _post(self, event: Row[Any]) -> str | None:
        """What went wrong, or None when the merchant has taken it."""
        body = json.dumps(
            {
                "id": event.event_id,
                "kind": event.kind,
                "created_at": event.created_at.isoformat(),
                "charge_key": event.charge_key,
                "gateway_ref": event.gateway_ref,
                "status": event.status,
                "decline_code": event.decline_code,
                "amount": event.amount,
                "currency": event.currency,
            }
        ).encode()
        headers = {
            "Content-Type": "application/json",
            signatures.HEADER: signatures.sign(self._secret, body, datetime.now(UTC)),
        }
        try:
            response = self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as failure:
            return f"{type(failure).__name__}: {failure}"
        return None if response.is_success else f"HTTP {response.status_code}"
