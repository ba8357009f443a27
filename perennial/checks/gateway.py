"""The gateway's own books against ours: nothing captured twice, nothing on one side only."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.checks.result import Finding, Outcome, outcome, rows
from perennial.domain import keys
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.gateways.simulator.witness import witness
from perennial.ports import ChargeStatus, PaymentGateway

_PAGE = 1_000

_PAID_TWICE = text(
    """
SELECT invoice_id AS subject, format('%s attempts at it have succeeded', count(*)) AS problem
FROM payment_attempts WHERE status = 'succeeded' GROUP BY invoice_id HAVING count(*) > 1
UNION ALL
SELECT i.id, format('it is paid, %s is due and no attempt has succeeded', i.amount_due) FROM invoices i
WHERE i.status = 'paid' AND i.amount_due > 0
  AND NOT EXISTS (SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.status = 'succeeded')
UNION ALL
SELECT a.id, format('it took %s %s for an invoice over %s %s', a.amount, a.currency, i.amount_due, i.currency)
FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
WHERE a.status = 'succeeded' AND (a.amount <> i.amount_due OR a.currency <> i.currency)
"""
)
# What we believe of each charge: the cash that was posted for it and for the refunds of it, and what is in flight.
_OURS = text(
    """
WITH cash AS (
    SELECT substr(t.key, 9) AS key, e.currency, sum(e.amount) AS amount
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.key LIKE 'payment:%' AND e.account = :cash GROUP BY t.key, e.currency
), given_back AS (
    SELECT r.attempt_id, -sum(c.amount) AS amount, sum(r.amount) FILTER (WHERE r.status = 'pending') AS pending
    FROM refunds r LEFT JOIN cash c ON c.key = r.key GROUP BY r.attempt_id
)
SELECT coalesce(a.key, c.key) AS key, coalesce(c.currency, a.currency) AS currency,
       coalesce(c.amount, 0) AS captured, coalesce(g.amount, 0) AS refunded, coalesce(g.pending, 0) AS refunding,
       coalesce(a.status, 'unknown') AS status
FROM (SELECT * FROM payment_attempts WHERE gateway = :gateway) a
FULL JOIN (SELECT * FROM cash WHERE key LIKE 'charge:%') c ON c.key = a.key
LEFT JOIN given_back g ON g.attempt_id = a.id
"""
)
_STRAY_REFUNDS = text(
    """
SELECT t.key AS subject, 'cash was posted for a refund that is not known' AS problem
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
WHERE t.key LIKE 'payment:refund:%' AND e.account = :cash
  AND NOT EXISTS (SELECT FROM refunds r WHERE 'payment:' || r.key = t.key)
"""
)


@dataclass(frozen=True, slots=True)
class _Charge:
    """Minor units. `refunding` is on its way back; `status` is the attempt's."""

    currency: str
    captured: int
    refunded: int
    refunding: int = 0
    status: str = ""


async def invoices_paid_once(engine: Engine) -> Outcome:
    """At most one attempt at an invoice has succeeded: by our rows, by the gateway's list and by its own books."""
    findings = await engine.read(lambda session: rows(session, _PAID_TWICE))
    theirs = await asyncio.to_thread(_theirs, engine.gateway)
    books = await asyncio.to_thread(_simulator_books, engine)
    twice: dict[str, set[str]] = defaultdict(set)
    for key, charge in (*theirs.items(), *books.items()):
        if charge.captured:
            twice[_invoice_of(key)].add(key)
    twice = {invoice: charges for invoice, charges in twice.items() if len(charges) > 1}
    findings += [
        Finding(invoice, f"captured {len(charges)} times at the gateway: {', '.join(sorted(charges))}")
        for invoice, charges in twice.items()
    ]
    captures = sum(1 for charge in theirs.values() if charge.captured)
    duplicates = sum(len(charges) - 1 for charges in twice.values())
    return outcome(f"{captures} captures", findings, duplicate_charges=duplicates)


async def gateway_agrees(engine: Engine) -> Outcome:
    """Captured and refunded amounts of every charge are the cash postings for it; nothing is on one side only."""
    if not engine.gateway.capabilities.reconciliation:
        return Outcome(f"{engine.gateway.name} cannot list its payments")
    # Ours first: what is captured in between is then on their side alone, and seen to be in flight at the next look.
    ours = await engine.read(lambda session: _ours(session, engine.gateway.name))
    stray = await engine.read(lambda session: rows(session, _STRAY_REFUNDS, cash=f"cash:{engine.gateway.name}"))
    theirs = await asyncio.to_thread(_theirs, engine.gateway)
    findings = [*stray, *_differences(ours, theirs, "the gateway")]
    if isinstance(engine.gateway, SimulatorGateway):
        findings += await asyncio.to_thread(_audit_simulator, engine, ours)
    return outcome(f"{len(theirs)} charges at {engine.gateway.name}", findings, gateway_agrees=int(not findings))


def _ours(session: Session, gateway: str) -> dict[str, _Charge]:
    found = session.execute(_OURS, {"cash": f"cash:{gateway}", "gateway": gateway})
    return {
        row.key: _Charge(row.currency, int(row.captured), int(row.refunded), int(row.refunding), row.status)
        for row in found
    }


def _theirs(gateway: PaymentGateway) -> dict[str, _Charge]:
    """Every charge that the gateway lists."""
    if not gateway.capabilities.reconciliation:
        return {}
    found: dict[str, _Charge] = {}
    after: str | None = None
    while True:
        page = gateway.payments(after, _PAGE)
        for payment in page.items:
            captured = payment.amount if payment.status is ChargeStatus.SUCCEEDED else 0
            found[payment.charge_key] = _Charge(payment.currency, captured, payment.refunded)
        after = page.next
        if after is None:
            return found


def _simulator_books(engine: Engine) -> dict[str, _Charge]:
    """What was really taken from cardholders, by the simulator's double entries."""
    if not isinstance(engine.gateway, SimulatorGateway):
        return {}
    found: dict[str, _Charge] = {}
    for capture in witness(engine.db).captures:
        before = found.get(capture.charge_key)
        amount = capture.amount + (before.captured if before else 0)
        found[capture.charge_key] = _Charge(capture.currency, amount, capture.refunded or 0)
    return found


def _audit_simulator(engine: Engine, ours: dict[str, _Charge]) -> list[Finding]:
    findings = [] if witness(engine.db).balanced else [Finding("simulator", "its own books do not balance")]
    return [*findings, *_differences(ours, _simulator_books(engine), "the simulator's ledger")]


def _differences(ours: dict[str, _Charge], theirs: dict[str, _Charge], who: str) -> Iterator[Finding]:
    for key in ours.keys() | theirs.keys():
        mine, other = ours.get(key), theirs.get(key)
        if other is None:
            if mine and (mine.captured or mine.refunded):
                yield Finding(key, f"{mine.captured} {mine.currency} are posted; {who} does not know the charge")
        elif mine is None:
            if other.captured or other.refunded:
                yield Finding(key, f"{who} captured {other.captured} {other.currency}; we do not know the charge")
        else:
            yield from _compare(key, mine, other, who)


def _compare(key: str, mine: _Charge, other: _Charge, who: str) -> Iterator[Finding]:
    # Written down before it is sent: until the answer is written down too, the gateway may be ahead of us.
    in_flight = mine.status == "pending" and not mine.captured
    if mine.captured != other.captured and not in_flight:
        state = "" if mine.captured else f" (the attempt is {mine.status})"
        yield Finding(key, f"{who} captured {other.captured}, {mine.captured} are posted{state}")
    if mine.captured and other.captured and mine.currency != other.currency:
        yield Finding(key, f"{who} captured {other.currency}, {mine.currency} is posted")
    if not mine.refunded <= other.refunded <= mine.refunded + mine.refunding:
        yield Finding(key, f"{who} refunded {other.refunded}, {mine.refunded} are posted")


def _invoice_of(charge_key: str) -> str:
    try:
        return keys.parse_charge(charge_key)[0]
    except ValueError:
        return charge_key
