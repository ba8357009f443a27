"""One charge on both sides, and the words for each way in which the sides can differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from perennial.db.repositories.findings import Found
from perennial.domain import keys
from perennial.ports import ChargeStatus, GatewayPayment

# What we believe of each charge: the cash that was posted for it and for the refunds of it, and what is in flight.
# An attempt is written down before it is sent, so the gateway may be ahead of us until its answer is written down too.
# Young is what began lately: by machine time, or on a test clock that has not moved since.
OURS = """
WITH wanted AS (
    SELECT unnest(CAST(:keys AS text[])) AS key
), cash AS (
    SELECT w.key, e.currency, sum(e.amount) AS amount
    FROM wanted w JOIN ledger_transactions t ON t.key = 'payment:' || w.key
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = :cash
    GROUP BY w.key, e.currency
), given_back AS (
    SELECT r.attempt_id, -sum(c.amount) AS amount, sum(r.amount) FILTER (WHERE r.status = 'pending') AS pending
    FROM wanted w JOIN payment_attempts a ON a.key = w.key JOIN refunds r ON r.attempt_id = a.id
    LEFT JOIN LATERAL (
        SELECT sum(e.amount) AS amount FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE t.key IN ('payment:' || r.key, 'returned:' || r.key) AND e.account = :cash
    ) c ON true
    GROUP BY r.attempt_id
), contested AS (
    SELECT d.attempt_id, -sum(e.amount) AS amount
    FROM wanted w JOIN payment_attempts a ON a.key = w.key JOIN disputes d ON d.attempt_id = a.id
    JOIN ledger_transactions t ON t.subject_id = d.id AND t.kind LIKE 'dispute%'
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = :cash
    GROUP BY d.attempt_id
)
SELECT w.key, coalesce(c.currency, a.currency) AS currency, coalesce(c.amount, 0) AS captured,
       coalesce(g.amount, 0) AS refunded, coalesce(g.pending, 0) AS refunding, coalesce(x.amount, 0) AS disputed,
       coalesce(a.status, 'unknown') AS status,
       a.status IN ('pending', 'requires_action', 'processing')
       AND CASE WHEN k.id IS NULL THEN a.started_at >= :long_ago
                ELSE k.status <> 'ready' OR a.started_at >= k.now END AS young
FROM wanted w
LEFT JOIN payment_attempts a ON a.key = w.key AND a.gateway = :gateway
LEFT JOIN cash c ON c.key = w.key
LEFT JOIN given_back g ON g.attempt_id = a.id
LEFT JOIN contested x ON x.attempt_id = a.id
LEFT JOIN invoices i ON i.id = a.invoice_id
LEFT JOIN subscriptions s ON s.id = i.subscription_id
LEFT JOIN gifts f ON f.id = i.gift_id
LEFT JOIN invoice_drafts d ON d.id = i.id
LEFT JOIN test_clocks k ON k.id = coalesce(s.test_clock_id, f.test_clock_id, d.test_clock_id)
WHERE a.id IS NOT NULL OR c.key IS NOT NULL
"""
_OURS = text(OURS)

REFUND_DIFFERS = "refund_differs"


@dataclass(frozen=True, slots=True)
class Charge:
    """Minor units. `refunding` is on its way back; `status` is the attempt's. In flight: we may be behind.

    `disputed` is what the cardholder's bank holds or has kept, None where that is not told.
    """

    currency: str
    captured: int
    refunded: int
    refunding: int = 0
    status: str = ""
    in_flight: bool = False
    disputed: int | None = None


def ours(session: Session, gateway: str, charge_keys: Sequence[str], long_ago: datetime) -> dict[str, Charge]:
    """Of these charges, those that we know. What began after `long_ago` (machine time) may be in flight."""
    given = {"keys": list(charge_keys), "gateway": gateway, "cash": f"cash:{gateway}", "long_ago": long_ago}
    return {row.key: _charge(row) for row in session.execute(_OURS, given)}


def theirs(payment: GatewayPayment) -> Charge:
    captured = payment.amount if payment.status is ChargeStatus.SUCCEEDED else 0
    return Charge(payment.currency, captured, payment.refunded, status=payment.status.value, disputed=payment.disputed)


def differences(mine: Mapping[str, Charge], others: Mapping[str, Charge], who: str) -> Iterator[Found]:
    """Of every charge that either side knows. What was taken and given back whole, past us, is nothing any more."""
    for key in sorted(mine.keys() | others.keys()):
        we, they = mine.get(key), others.get(key)
        if they is None:
            if we and (we.captured or we.refunded):
                yield Found("unknown_there", key, f"{_sum(we)} are posted; {who} does not know the charge")
        elif we is None:
            if they.captured != they.refunded:
                yield Found("unknown_here", key, f"{who} captured {_sum(they)}; we do not know the charge")
        else:
            yield from _compare(key, we, they, who)


def invoice_of(charge_key: str) -> str:
    """The key of its invoice; what is no key of ours stands for itself."""
    try:
        return keys.parse_charge(charge_key)[0]
    except ValueError:
        return charge_key


def _compare(key: str, mine: Charge, other: Charge, who: str) -> Iterator[Found]:
    if not mine.captured and other.captured == other.refunded:
        return
    if mine.captured != other.captured and not mine.in_flight:
        state = "" if mine.captured else f" (the attempt is {mine.status})"
        kind = "amount_differs" if mine.captured and other.captured else "status_differs"
        yield Found(kind, key, f"{who} captured {other.captured}, {mine.captured} are posted{state}")
    if mine.captured and other.captured and mine.currency != other.currency:
        yield Found("currency_differs", key, f"{who} captured {other.currency}, {mine.currency} is posted")
    if not mine.refunded <= other.refunded <= mine.refunded + mine.refunding:
        yield Found(REFUND_DIFFERS, key, f"{who} refunded {other.refunded}, {mine.refunded} are posted")
    if None not in (mine.disputed, other.disputed) and mine.disputed != other.disputed:
        yield Found("dispute_differs", key, f"of it {other.disputed} are disputed at {who}, {mine.disputed} are posted")


def _sum(charge: Charge) -> str:
    return f"{charge.captured} {charge.currency}"


def _charge(row: Row[Any]) -> Charge:
    return Charge(
        row.currency,
        int(row.captured),
        int(row.refunded),
        int(row.refunding),
        row.status,
        bool(row.young),
        int(row.disputed),
    )
