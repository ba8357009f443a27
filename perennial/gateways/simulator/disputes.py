"""A cardholder contests a charge, and the bank decides; it can reverse that. A charge is disputed once at most."""

from datetime import datetime

from sqlalchemy import Connection, text

from perennial.gateways.simulator import books
from perennial.ports import GatewayEvent, GatewayEventKind, GatewayRefused

# What the bank takes back is what the merchant still has of the charge.
_OPEN = text(
    """
WITH disputed AS (
    UPDATE simulator.payments SET disputed_at = now()
    WHERE gateway_ref = :charge AND status = 'succeeded' AND disputed_at IS NULL AND refunded < amount
    RETURNING key, amount - refunded AS amount, currency
), booked AS (
    INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
    SELECT 'dispute', side.account, side.sign * amount, currency, key, :dispute
    FROM disputed CROSS JOIN (VALUES ('merchant', -1), ('cardholders', 1)) AS side (account, sign)
), announced AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, decline_code, amount, currency)
    SELECT :event_id, 'dispute_opened', key, :dispute, :reason, amount, currency FROM disputed
)
SELECT key FROM disputed
"""
)
# One decision: both have the same event id.
_DECIDE = text(
    """
WITH disputed AS (
    SELECT charge_key, amount, currency FROM simulator.entries
    WHERE charge_key = (SELECT key FROM simulator.payments WHERE gateway_ref = :charge)
      AND movement = 'dispute' AND account = 'cardholders'
), decided AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, amount, currency)
    SELECT :event_id, :kind, charge_key, :dispute, amount, currency FROM disputed
    ON CONFLICT (event_id) DO NOTHING
    RETURNING kind, charge_key, amount, currency
), booked AS (
    INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
    SELECT 'dispute_won', side.account, side.sign * amount, currency, charge_key, :dispute
    FROM decided CROSS JOIN (VALUES ('merchant', 1), ('cardholders', -1)) AS side (account, sign)
    WHERE kind = 'dispute_won'
)
SELECT charge_key FROM decided
"""
)
# A decision comes after what it decides; only what was opened bears a reason.
_SINCE = text(
    """
SELECT DISTINCT ON (e.gateway_ref) e.event_id, e.kind, e.charge_key, e.gateway_ref, e.amount, e.currency, e.created_at,
       (SELECT o.decline_code FROM simulator.events o
        WHERE o.gateway_ref = e.gateway_ref AND o.kind = 'dispute_opened') AS reason
FROM simulator.events e
WHERE e.kind IN ('dispute_opened', 'dispute_won', 'dispute_lost') AND e.created_at >= :since
ORDER BY e.gateway_ref, e.id DESC
"""
)
_DECISIONS = text(
    """
SELECT kind FROM simulator.events WHERE gateway_ref = :dispute AND kind IN ('dispute_won', 'dispute_lost') ORDER BY id
"""
)
_LOCK = text("SELECT key FROM simulator.payments WHERE gateway_ref = :charge FOR UPDATE")
_REVERSE = text(
    """
WITH decided AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, amount, currency)
    SELECT :event_id, :kind, charge_key, gateway_ref, amount, currency FROM simulator.events
    WHERE gateway_ref = :dispute AND kind = 'dispute_opened'
    RETURNING kind, charge_key, amount, currency
)
INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
SELECT CASE kind WHEN 'dispute_won' THEN 'dispute_won' ELSE 'dispute' END, side.account,
       side.sign * CASE kind WHEN 'dispute_won' THEN amount ELSE -amount END, currency, charge_key, :dispute
FROM decided CROSS JOIN (VALUES ('merchant', 1), ('cardholders', -1)) AS side (account, sign)
"""
)
_WON = text(
    """
SELECT 1 FROM simulator.entries
WHERE charge_key = :charge_key AND account = 'merchant' AND movement IN ('dispute', 'dispute_won')
HAVING count(*) > 0 AND sum(amount) = 0
"""
)


def contest(connection: Connection, gateway_ref: str, reason: str) -> str:
    """Take the money of a captured charge back, once; answers the dispute's own id. Raises GatewayRefused."""
    dispute = books.reference("dp", gateway_ref)
    parameters = {"charge": gateway_ref, "dispute": dispute, "reason": reason, "event_id": _event(dispute, "opened")}
    if connection.execute(_OPEN, parameters).first() is None:
        raise GatewayRefused(f"nothing to dispute in {gateway_ref}")
    return dispute


def decide(connection: Connection, gateway_ref: str, *, won: bool) -> str:
    """The bank's word on the dispute of a charge, once: `won` by the merchant, who then has the money again.

    Raises GatewayRefused when there is none that is open.
    """
    dispute = books.reference("dp", gateway_ref)
    kind = "dispute_won" if won else "dispute_lost"
    parameters = {"charge": gateway_ref, "dispute": dispute, "kind": kind, "event_id": _event(dispute, "decided")}
    if connection.execute(_DECIDE, parameters).first() is None:
        raise GatewayRefused(f"no open dispute of {gateway_ref}")
    return dispute


def reverse(connection: Connection, gateway_ref: str) -> str:
    """The bank decides the other way than it did last. Raises GatewayRefused when it has not decided."""
    dispute = books.reference("dp", gateway_ref)
    connection.execute(_LOCK, {"charge": gateway_ref})
    decisions = connection.execute(_DECISIONS, {"dispute": dispute}).scalars().all()
    if not decisions:
        raise GatewayRefused(f"no decision on a dispute of {gateway_ref}")
    kind = "dispute_lost" if decisions[-1] == "dispute_won" else "dispute_won"
    event_id = _event(dispute, f"reversed_{len(decisions)}")
    connection.execute(_REVERSE, {"dispute": dispute, "kind": kind, "event_id": event_id})
    return dispute


def is_won(connection: Connection, charge_key: str) -> bool:
    return connection.execute(_WON, {"charge_key": charge_key}).first() is not None


def since(connection: Connection, at: datetime) -> list[GatewayEvent]:
    """The newest event of each dispute that something happened to since."""
    return [
        GatewayEvent(
            event_id=row.event_id,
            kind=GatewayEventKind(row.kind),
            charge_key=row.charge_key,
            gateway_ref=row.gateway_ref,
            status=None,
            decline_code=row.reason,
            amount=row.amount,
            currency=row.currency,
            at=row.created_at,
        )
        for row in connection.execute(_SINCE, {"since": at})
    ]


def _event(dispute: str, what: str) -> str:
    return books.reference("evt", f"dispute_{what}:{dispute}")
