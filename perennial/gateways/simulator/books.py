"""The simulator's books: how a charge, a late outcome, a refund and a dispute are written down.

Every function is one statement that writes the payment, its two ledger entries and its event together, so a killed
client can leave no half of them.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.sql.elements import TextClause

from perennial.gateways.simulator import cards
from perennial.ports import ChargeRequest, ChargeResult, ChargeStatus

# Test card `processing` and 3-D Secure end through here as well: one place books money.
_BOOK_AND_ANNOUNCE = """
booked AS (
    INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
    SELECT 'capture', side.account, side.sign * amount, currency, key, gateway_ref
    FROM moved CROSS JOIN (VALUES ('merchant', 1), ('cardholders', -1)) AS side (account, sign)
    WHERE status = 'succeeded'
), announced AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, status, decline_code, amount, currency,
                                  deliver_at, deliveries_left)
    SELECT :event_id, :event_kind, key, gateway_ref, status, decline_code, amount, currency,
           now() + make_interval(secs => :late_ms / 1000.0), :deliveries
    FROM moved WHERE :announce
)
SELECT token, gateway_ref, status, decline_code FROM moved
"""

_INSERTED = """
WITH moved AS (
    INSERT INTO simulator.payments (key, fingerprint, gateway_ref, token, customer_reference, description, amount,
                                    currency, status, decline_code, settles_at, settles_with)
    VALUES (:key, :fingerprint, :gateway_ref, :token, :customer_reference, :description, :amount, :currency, :status,
            :decline_code, now() + make_interval(secs => CAST(:settles_ms AS integer) / 1000.0), :settles_with)
    ON CONFLICT DO NOTHING
    RETURNING key, token, gateway_ref, amount, currency, status, decline_code
),
"""

_UPDATED = """
WITH moved AS (
    UPDATE simulator.payments SET status = :status, decline_code = :decline_code, settles_at = NULL
    WHERE gateway_ref = :gateway_ref AND status = :was
    RETURNING key, token, gateway_ref, amount, currency, status, decline_code
),
"""

_RECORD: TextClause = text(_INSERTED + _BOOK_AND_ANNOUNCE)
_FINISH: TextClause = text(_UPDATED + _BOOK_AND_ANNOUNCE)
_FIND: TextClause = text("SELECT * FROM simulator.payments WHERE key = :key")
_DUE: TextClause = text(
    """
SELECT gateway_ref, settles_with FROM simulator.payments
WHERE status = 'processing' AND settles_at <= now() ORDER BY settles_at LIMIT :limit
"""
)
_COUNT: TextClause = text(
    """
INSERT INTO simulator.counters (name, value) VALUES (:name, 1)
ON CONFLICT (name) DO UPDATE SET value = simulator.counters.value + 1 RETURNING value
"""
)
_BAR = text(
    """
INSERT INTO simulator.payments (key, fingerprint, gateway_ref, token, customer_reference, description, amount, currency,
                                status)
VALUES (:key, '', :gateway_ref, '', '', '', 0, 'XXX', 'canceled') ON CONFLICT DO NOTHING
"""
)
_CANCEL = text(
    """
UPDATE simulator.payments SET status = 'canceled', settles_at = NULL
WHERE key = :key AND status IN ('requires_action', 'processing')
"""
)
_READ_COUNTER: TextClause = text("SELECT value FROM simulator.counters WHERE name = :name")
_EVENT_KIND = {
    ChargeStatus.SUCCEEDED: "payment_succeeded",
    ChargeStatus.DECLINED: "payment_failed",
    ChargeStatus.REQUIRES_ACTION: "payment_requires_action",
    ChargeStatus.PROCESSING: "payment_processing",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a new charge, and how it is announced (`announce` False: the answer says it all)."""

    status: ChargeStatus
    decline_code: str | None = None
    settles_ms: int | None = None
    settles_with: str | None = None
    announce: bool = False
    late_ms: int = 0
    deliveries: int = 1


def reference(prefix: str, key: str) -> str:
    """The simulator's own id of what has our key: stable, so that a lost answer can be given again."""
    return f"{prefix}_{sha256(key.encode()).hexdigest()[:24]}"


def fingerprint(*parameters: object) -> str:
    return sha256("\x1f".join(map(str, parameters)).encode()).hexdigest()


def charge_fingerprint(request: ChargeRequest) -> str:
    return fingerprint(
        request.amount,
        request.currency,
        request.token,
        request.customer_reference,
        request.off_session,
        request.description,
    )


def record(connection: Connection, request: ChargeRequest, outcome: Outcome) -> ChargeResult | None:
    """Write a new charge with its money and its event. None when the key is taken (then nothing is written).

    A charge with the same key in flight elsewhere is waited for: the unique index decides which one is first.
    """
    gateway_ref = reference("ch", request.key)
    row = connection.execute(
        _RECORD,
        {
            "key": request.key,
            "fingerprint": charge_fingerprint(request),
            "gateway_ref": gateway_ref,
            "token": request.token,
            "customer_reference": request.customer_reference,
            "description": request.description,
            "amount": request.amount,
            "currency": request.currency,
            "status": outcome.status,
            "decline_code": outcome.decline_code,
            "settles_ms": outcome.settles_ms,
            "settles_with": outcome.settles_with,
            **_announcement(gateway_ref, outcome),
        },
    ).first()
    return None if row is None else result(row)


def finish(
    connection: Connection, gateway_ref: str, *, was: ChargeStatus, status: ChargeStatus, decline_code: str | None
) -> bool:
    """Move a charge that was waiting to its end, once. False when it was not in status `was` any more."""
    moved = connection.execute(
        _FINISH,
        {
            "gateway_ref": gateway_ref,
            "was": was,
            "status": status,
            "decline_code": decline_code,
            **_announcement(gateway_ref, Outcome(status, announce=True)),
        },
    )
    return moved.first() is not None


def cancel(connection: Connection, key: str) -> ChargeResult:
    """Withdraw a charge that waits, bar one that has not come yet; answers what is true of it now."""
    connection.execute(_BAR, {"key": key, "gateway_ref": reference("ch", key)})
    connection.execute(_CANCEL, {"key": key})
    return result(connection.execute(_FIND, {"key": key}).one())


def settle_due(connection: Connection, limit: int) -> int:
    """Decide the charges whose `processing` is over. Several processes may do this at once."""
    settled = 0
    for row in connection.execute(_DUE, {"limit": limit}).all():
        status = ChargeStatus.SUCCEEDED if row.settles_with is None else ChargeStatus.DECLINED
        settled += finish(
            connection,
            row.gateway_ref,
            was=ChargeStatus.PROCESSING,
            status=status,
            decline_code=row.settles_with,
        )
    return settled


def find(connection: Connection, key: str) -> Row[Any] | None:
    return connection.execute(_FIND, {"key": key}).first()


def count(connection: Connection, name: str) -> int:
    """Add one to a counter and tell its new value. Holds the counter until the transaction ends."""
    return int(connection.execute(_COUNT, {"name": name}).scalar_one())


def counted(connection: Connection, name: str) -> int:
    """What a counter has come to."""
    return int(connection.execute(_READ_COUNTER, {"name": name}).scalar() or 0)


def has_authenticated(connection: Connection, card_of_customer: str) -> bool:
    found = connection.execute(_READ_COUNTER, {"name": f"authenticated:{card_of_customer}"})
    return found.first() is not None


def result(row: Row[Any]) -> ChargeResult:
    status = ChargeStatus(row.status)
    needs_action = status is ChargeStatus.REQUIRES_ACTION
    script = cards.card(row.token) if status is ChargeStatus.DECLINED else None
    return ChargeResult(
        status=status,
        gateway_ref=row.gateway_ref,
        decline_code=row.decline_code,
        action_url=f"/simulator/authenticate/{row.gateway_ref}" if needs_action else None,
        response_code=script.response_code if script else None,
        advice_code=script.advice_code if script else None,
    )


def _announcement(gateway_ref: str, outcome: Outcome) -> dict[str, Any]:
    kind = _EVENT_KIND[outcome.status]
    return {
        "announce": outcome.announce,
        "event_id": reference("evt", f"{kind}:{gateway_ref}"),
        "event_kind": kind,
        "late_ms": outcome.late_ms,
        "deliveries": outcome.deliveries,
    }
