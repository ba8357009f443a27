"""The gateway's own books against ours: nothing captured twice, nothing on one side only."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.checks.charges import Charge, differences, invoice_of, theirs
from perennial.checks.result import Finding, Outcome, Slice, outcome, rows, sliced
from perennial.db.repositories.findings import Found
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.gateways.simulator.witness import witness
from perennial.ports import PaymentGateway

_PAGE = 1_000

_PAID_TWICE = sliced(
    """
SELECT invoice_id AS subject, format('%s attempts at it have succeeded', count(*)) AS problem
FROM payment_attempts WHERE status = 'succeeded' AND WITHIN(invoice_id) GROUP BY invoice_id HAVING count(*) > 1
UNION ALL
SELECT i.id, format('it is paid, %s is due and no attempt has succeeded', i.amount_due) FROM invoices i
WHERE WITHIN(i.id) AND i.status = 'paid' AND i.amount_due > 0
  AND NOT EXISTS (SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.status = 'succeeded')
UNION ALL
SELECT a.id, format('it took %s %s for an invoice over %s %s', a.amount, a.currency, i.amount_due, i.currency)
FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
WHERE WITHIN(a.invoice_id) AND a.status = 'succeeded' AND (a.amount <> i.amount_due OR a.currency <> i.currency)
"""
)
# What we believe of each charge: the cash that was posted for it and for the refunds of it, and what is in flight.
_OURS = text(
    """
WITH cash AS (
    SELECT substr(t.key, 9) AS key, e.currency, sum(e.amount) AS amount
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.key LIKE 'payment:%' AND e.account = :cash GROUP BY t.key, e.currency
), returned AS (
    SELECT substr(t.key, 10) AS key, e.amount
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.key LIKE 'returned:%' AND e.account = :cash
), given_back AS (
    SELECT r.attempt_id, -sum(c.amount + coalesce(b.amount, 0)) AS amount,
           sum(r.amount) FILTER (WHERE r.status = 'pending') AS pending
    FROM refunds r LEFT JOIN cash c ON c.key = r.key LEFT JOIN returned b ON b.key = r.key GROUP BY r.attempt_id
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


_OPEN_FINDINGS = text(
    """
SELECT subject, format('%s: %s (%s, since %s)', kind, detail, source, to_char(first_seen, 'YYYY-MM-DD HH24:MI'))
       AS problem
FROM findings WHERE resolved_at IS NULL AND (source LIKE 'gateway:%' OR source LIKE 'ledger:%') ORDER BY first_seen, id
"""
)
_LAST_TOUR = text(
    "SELECT coalesce((SELECT to_char(began_at, 'YYYY-MM-DD HH24:MI') FROM tours WHERE name = 'gateways'), 'never')"
)


def reconciliation_finds_nothing(session: Session, _engine: Engine, _part: Slice) -> Outcome:
    """The last tours of the gateways have left no finding open. `perennial findings refresh` makes one now."""
    return outcome(f"last tour: {session.scalar(_LAST_TOUR)}", rows(session, _OPEN_FINDINGS))


async def invoices_paid_once(engine: Engine, part: Slice) -> Outcome:
    """At most one attempt at an invoice has succeeded: by our rows, by the gateways' lists and their books.

    Of a slice, our rows alone are looked at: what gateways list is read page by page elsewhere (`reconciliation`).
    """
    findings = await engine.read(lambda session: rows(session, _PAID_TWICE, part))
    if part.after or part.until:
        return outcome("payments", findings)
    listed = [(each.name, key, one) for each in gateways(engine) for key, one in (await _listed(each)).items()]
    books = [(each.name, key, one) for each in simulators(engine) for key, one in (await _booked(each)).items()]
    twice: dict[str, set[str]] = defaultdict(set)
    for name, key, charge in (*listed, *books):
        if charge.captured:
            twice[invoice_of(key)].add(f"{key} by {name}")
    twice = {invoice: charges for invoice, charges in twice.items() if len(charges) > 1}
    findings += [
        Finding(invoice, f"captured {len(charges)} times: {', '.join(sorted(charges))}")
        for invoice, charges in twice.items()
    ]
    captures = sum(1 for _, _, charge in listed if charge.captured)
    duplicates = sum(len(charges) - 1 for charges in twice.values())
    return outcome(f"{captures} captures", findings, duplicate_charges=duplicates)


async def gateway_agrees(engine: Engine, _part: Slice) -> Outcome:
    """Captured and refunded amounts of every charge are the cash postings for it; nothing is on one side only."""
    looked = [await _look_at(engine, gateway) for gateway in gateways(engine)]
    findings = [finding for _, found in looked for finding in found]
    seen = ", ".join(seen for seen, _ in looked) or "no gateway can list its payments"
    return outcome(seen, findings, gateway_agrees=int(not findings))


async def _look_at(engine: Engine, gateway: PaymentGateway) -> tuple[str, list[Finding]]:
    # Ours first: what is captured in between is then on their side alone, and seen to be in flight at the next look.
    ours = await engine.read(lambda session: _ours(session, gateway.name))
    findings = await engine.read(lambda session: rows(session, _STRAY_REFUNDS, cash=f"cash:{gateway.name}"))
    listed = await _listed(gateway)
    findings += _told(differences(ours, listed, "the gateway"))
    if isinstance(gateway, SimulatorGateway):
        findings += await asyncio.to_thread(_audit_simulator, gateway, ours)
    return f"{len(listed)} charges at {gateway.name}", findings


def gateways(engine: Engine) -> tuple[PaymentGateway, ...]:
    """Those that can list their payments."""
    return tuple(gateway for gateway in engine.gateways if gateway.capabilities.reconciliation)


def simulators(engine: Engine) -> tuple[SimulatorGateway, ...]:
    """Those whose books can be read."""
    return tuple(gateway for gateway in engine.gateways if isinstance(gateway, SimulatorGateway))


def _ours(session: Session, gateway: str) -> dict[str, Charge]:
    found = session.execute(_OURS, {"cash": f"cash:{gateway}", "gateway": gateway})
    return {
        row.key: Charge(
            row.currency,
            int(row.captured),
            int(row.refunded),
            int(row.refunding),
            row.status,
            # Written down before it is sent: until the answer is written down too, the gateway may be ahead of us.
            in_flight=row.status == "pending" and not row.captured,
        )
        for row in found
    }


def _all(gateway: PaymentGateway) -> dict[str, Charge]:
    """Every charge that the gateway lists."""
    found: dict[str, Charge] = {}
    after: str | None = None
    while True:
        page = gateway.payments(after, _PAGE)
        found |= {payment.charge_key: theirs(payment) for payment in page.items}
        after = page.next
        if after is None:
            return found


async def _listed(gateway: PaymentGateway) -> dict[str, Charge]:
    return await asyncio.to_thread(_all, gateway)


async def _booked(gateway: SimulatorGateway) -> dict[str, Charge]:
    return await asyncio.to_thread(_simulator_books, gateway)


def _simulator_books(gateway: SimulatorGateway) -> dict[str, Charge]:
    """What was really taken from cardholders, by the simulator's double entries."""
    found: dict[str, Charge] = {}
    for capture in witness(gateway.books).captures:
        before = found.get(capture.charge_key)
        amount = capture.amount + (before.captured if before else 0)
        found[capture.charge_key] = Charge(capture.currency, amount, capture.refunded or 0)
    return found


def _audit_simulator(gateway: SimulatorGateway, ours: dict[str, Charge]) -> list[Finding]:
    findings = [] if witness(gateway.books).balanced else [Finding(gateway.name, "its own books do not balance")]
    return [*findings, *_told(differences(ours, _simulator_books(gateway), "the simulator's ledger"))]


def _told(found: Iterable[Found]) -> list[Finding]:
    return [Finding(one.subject, one.detail) for one in found]
