"""Refunds of the simulator. The payment's row is locked, so that together they never exceed what was captured."""

from typing import Any

from sqlalchemy import Connection, Row, text

from perennial.gateways.simulator import books, disputes
from perennial.gateways.simulator.cards import Card, card
from perennial.ports import ChargeStatus, GatewayRefused, IdempotencyConflict, RefundRequest, RefundResult, RefundStatus

_LOCK_PAYMENT = text("SELECT * FROM simulator.payments WHERE key = :charge_key FOR UPDATE")
_SETTLED_AT_ONCE = 100
_FIND = text("SELECT * FROM simulator.refunds WHERE key = :key")
_RECORD = text(
    """
WITH made AS (
    INSERT INTO simulator.refunds (key, fingerprint, gateway_ref, charge_key, amount, currency, status, failure_code)
    VALUES (:key, :fingerprint, :gateway_ref, :charge_key, :amount, :currency, :status, :failure_code)
    RETURNING gateway_ref, charge_key, amount, currency, status, failure_code
), taken AS (
    UPDATE simulator.payments SET refunded = refunded + made.amount
    FROM made WHERE payments.key = made.charge_key AND made.status <> 'failed'
), booked AS (
    INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
    SELECT 'refund', side.account, side.sign * amount, currency, charge_key, gateway_ref
    FROM made CROSS JOIN (VALUES ('merchant', -1), ('cardholders', 1)) AS side (account, sign)
    WHERE status = 'succeeded'
), announced AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, decline_code, amount, currency)
    SELECT :event_id, 'refund_' || status, charge_key, gateway_ref, failure_code, amount, currency FROM made
    WHERE status <> 'pending'
)
SELECT * FROM made
"""
)
_PENDING = text(
    """
SELECT r.gateway_ref, p.token, extract(epoch FROM now() - r.created_at) * 1000 AS age_ms
FROM simulator.refunds r JOIN simulator.payments p ON p.key = r.charge_key
WHERE r.status = 'pending' ORDER BY r.id LIMIT :limit
"""
)
# What was held back of the charge since the refund was accepted is there again if it fails.
_END = text(
    """
WITH ended AS (
    UPDATE simulator.refunds SET status = :status, failure_code = :failure_code
    WHERE gateway_ref = :gateway_ref AND status = 'pending'
    RETURNING gateway_ref, charge_key, amount, currency, status, failure_code
), left_over AS (
    UPDATE simulator.payments SET refunded = refunded - ended.amount
    FROM ended WHERE payments.key = ended.charge_key AND ended.status = 'failed'
), booked AS (
    INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
    SELECT 'refund', side.account, side.sign * amount, currency, charge_key, gateway_ref
    FROM ended CROSS JOIN (VALUES ('merchant', -1), ('cardholders', 1)) AS side (account, sign)
    WHERE status = 'succeeded'
), announced AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, decline_code, amount, currency)
    SELECT :event_id, 'refund_' || status, charge_key, gateway_ref, failure_code, amount, currency FROM ended
)
SELECT gateway_ref FROM ended
"""
)

_RETURN = text(
    """
WITH returned AS (
    UPDATE simulator.refunds SET status = 'failed', failure_code = 'lost_or_stolen_card'
    WHERE gateway_ref = :gateway_ref AND status = 'succeeded'
    RETURNING gateway_ref, charge_key, amount, currency, status, failure_code
), left_over AS (
    UPDATE simulator.payments SET refunded = refunded - returned.amount
    FROM returned WHERE payments.key = returned.charge_key
), booked AS (
    INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
    SELECT 'refund_returned', side.account, side.sign * amount, currency, charge_key, gateway_ref
    FROM returned CROSS JOIN (VALUES ('merchant', 1), ('cardholders', -1)) AS side (account, sign)
), announced AS (
    INSERT INTO simulator.events (event_id, kind, charge_key, gateway_ref, decline_code, amount, currency)
    SELECT :event_id, 'refund_failed', charge_key, gateway_ref, failure_code, amount, currency FROM returned
)
SELECT gateway_ref FROM returned
"""
)


def refund(connection: Connection, request: RefundRequest) -> RefundResult:
    """Give money back once per key; a refusal is a result and is remembered like one.

    Raises:
        IdempotencyConflict: the key came with other parameters before.
        GatewayRefused: no such charge, or not in this currency.
    """
    parameters = books.fingerprint(request.charge_key, request.gateway_ref, request.amount, request.currency)
    payment = connection.execute(_LOCK_PAYMENT, {"charge_key": request.charge_key}).first()
    known = connection.execute(_FIND, {"key": request.key}).first()
    if known is not None:
        if known.fingerprint != parameters:
            raise IdempotencyConflict(f"{request.key} was used for another refund")
        return _result(known)
    if payment is None or payment.gateway_ref != request.gateway_ref or payment.currency != request.currency:
        raise GatewayRefused(f"no charge {request.gateway_ref} ({request.charge_key}) in {request.currency}")
    disputed = payment.disputed_at is not None and not disputes.is_won(connection, payment.key)
    failure = "charge_disputed" if disputed else _failure(payment, request.amount)
    script = card(payment.token) if payment.token else None
    if failure is None and script is not None and script.refund_pending_ms is None:
        failure = script.refund_failure
    gateway_ref = books.reference("re", request.key)
    made = connection.execute(
        _RECORD,
        {
            "key": request.key,
            "fingerprint": parameters,
            "gateway_ref": gateway_ref,
            "charge_key": request.charge_key,
            "amount": request.amount,
            "currency": request.currency,
            "status": _status(script, failure),
            "failure_code": failure,
            "event_id": books.reference("evt", f"refund:{gateway_ref}"),
        },
    ).one()
    return _result(made)


def find(connection: Connection, key: str) -> RefundResult | None:
    row = connection.execute(_FIND, {"key": key}).first()
    if row is not None and row.status == RefundStatus.PENDING and settle_due(connection, _SETTLED_AT_ONCE):
        row = connection.execute(_FIND, {"key": key}).first()
    return None if row is None else _result(row)


def give_up(connection: Connection, gateway_ref: str) -> None:
    """The cardholder's bank cannot take a refund that was sent: it comes back, once. Raises GatewayRefused."""
    event_id = books.reference("evt", f"refund_returned:{gateway_ref}")
    if connection.execute(_RETURN, {"gateway_ref": gateway_ref, "event_id": event_id}).first() is None:
        raise GatewayRefused(f"no refund {gateway_ref} that was sent")


def _failure(payment: Row[Any], amount: int) -> str | None:
    if payment.status != ChargeStatus.SUCCEEDED:
        return "charge_not_captured"
    if payment.refunded + amount > payment.amount:
        return "exceeds_charge"
    return None


def _status(script: Card | None, failure: str | None) -> RefundStatus:
    if failure is not None:
        return RefundStatus.FAILED
    is_slow = script is not None and script.refund_pending_ms is not None
    return RefundStatus.PENDING if is_slow else RefundStatus.SUCCEEDED


def settle_due(connection: Connection, limit: int) -> int:
    """End the refunds whose time has come. Several processes may do this at once."""
    ended = 0
    for row in connection.execute(_PENDING, {"limit": limit}).all():
        script = card(row.token)
        if script.refund_pending_ms is None or row.age_ms < script.refund_pending_ms:
            continue
        status = RefundStatus.FAILED if script.refund_failure else RefundStatus.SUCCEEDED
        values = {
            "gateway_ref": row.gateway_ref,
            "status": status,
            "failure_code": script.refund_failure,
            "event_id": books.reference("evt", f"refund_ended:{row.gateway_ref}"),
        }
        ended += connection.execute(_END, values).first() is not None
    return ended


def _result(row: Row[Any]) -> RefundResult:
    return RefundResult(RefundStatus(row.status), row.gateway_ref, row.failure_code)
