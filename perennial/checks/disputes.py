"""Disputes: what the bank holds or keeps is what the books say, and nothing of it was refunded as well."""

import asyncio

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.checks.gateway import simulators
from perennial.checks.result import Finding, Outcome, Slice, count, outcome, rows
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.gateways.simulator.witness import witness

_DISPUTES = text("SELECT count(*) FROM disputes")
_WRONG = text(
    """
WITH held AS (
    SELECT t.subject_id AS id, e.currency, sum(e.amount) AS amount
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE e.account = ANY(ARRAY(SELECT DISTINCT 'disputed:' || gateway FROM disputes))
    GROUP BY t.subject_id, e.currency
), lost AS (
    SELECT d.id, coalesce(-sum(e.amount), 0) AS amount
    FROM disputes d
    LEFT JOIN ledger_transactions t ON t.subject_id = d.id AND t.kind LIKE 'dispute%'
    LEFT JOIN ledger_entries e ON e.transaction_id = t.id
                              AND e.account IN ('disputed:' || d.gateway, 'cash:' || d.gateway)
    GROUP BY d.id
), taken AS (
    SELECT attempt_id, sum(amount) AS amount FROM disputes WHERE status <> 'won' GROUP BY attempt_id
)
SELECT coalesce(d.id, h.id) AS subject,
       format('%s: the bank holds %s, the ledger says %s', coalesce(d.status, 'no such dispute'),
              CASE WHEN d.status = 'open' THEN d.amount ELSE 0 END, coalesce(h.amount, 0)) AS problem
FROM disputes d FULL JOIN held h ON h.id = d.id AND h.currency = d.currency
WHERE CASE WHEN d.status = 'open' THEN d.amount ELSE 0 END <> coalesce(h.amount, 0)
UNION ALL
SELECT d.id, format('%s, and %s are posted as lost', d.status, l.amount) FROM disputes d JOIN lost l ON l.id = d.id
WHERE CASE WHEN d.status = 'lost' THEN d.amount ELSE 0 END <> l.amount
UNION ALL
SELECT a.id, format('%s refunded and %s disputed of a charge of %s', r.amount, t.amount, a.amount)
FROM taken t JOIN payment_attempts a ON a.id = t.attempt_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount), 0) AS amount FROM refunds WHERE attempt_id = a.id AND status = 'succeeded'
) r
WHERE r.amount + t.amount > a.amount
"""
)
_OURS = text(
    """
SELECT a.key, sum(d.amount) AS amount FROM disputes d JOIN payment_attempts a ON a.id = d.attempt_id
WHERE d.gateway = :gateway AND d.status <> 'won' GROUP BY a.key
"""
)


def disputes_equal_ledger(session: Session, _engine: Engine, _part: Slice) -> Outcome:
    """Each open dispute stands in `disputed:{gateway}`, each lost one was written off, and nothing went back twice."""
    return outcome(f"{count(session, _DISPUTES)} disputes", rows(session, _WRONG))


async def disputes_agree(engine: Engine, _part: Slice) -> Outcome:
    """A simulator's bank has taken what we know of. Other gateways do not list their disputes."""
    looked = [await _look_at(engine, gateway) for gateway in simulators(engine)]
    if not looked:
        return Outcome(f"{', '.join(engine.gateways.names)} does not list its disputes")
    return outcome(", ".join(seen for seen, _ in looked), [finding for _, found in looked for finding in found])


async def _look_at(engine: Engine, gateway: SimulatorGateway) -> tuple[str, list[Finding]]:
    ours = await engine.read(lambda session: _ours(session, gateway.name))
    said = await asyncio.to_thread(witness, gateway.books)
    theirs = {capture.charge_key: capture.disputed for capture in said.captures if capture.disputed}
    findings = [
        Finding(key, f"the bank has {theirs.get(key, 0)} of it, {ours.get(key, 0)} are booked as disputed")
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    return f"{len(theirs)} charges disputed at {gateway.name}", findings


def _ours(session: Session, gateway: str) -> dict[str, int]:
    return {row.key: int(row.amount) for row in session.execute(_OURS, {"gateway": gateway})}
