"""What the simulator's own books say: an independent witness of what was charged, for checks and fault tests."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

_CAPTURES = text(
    """
SELECT e.charge_key, e.gateway_ref, p.customer_reference, p.description, e.amount, e.currency, p.refunded, e.booked_at,
       coalesce(d.amount, 0) AS disputed
FROM simulator.entries e LEFT JOIN simulator.payments p ON p.key = e.charge_key
LEFT JOIN (
    SELECT charge_key, CAST(-sum(amount) AS bigint) AS amount FROM simulator.entries
    WHERE account = 'merchant' AND movement IN ('dispute', 'dispute_won') GROUP BY charge_key
) d ON d.charge_key = e.charge_key
WHERE e.movement = 'capture' AND e.account = 'merchant' ORDER BY e.id
"""
)
_BALANCES = text(
    """
SELECT currency, sum(amount) FILTER (WHERE account = 'merchant') AS merchant, sum(amount) AS total
FROM simulator.entries GROUP BY currency ORDER BY currency
"""
)


@dataclass(frozen=True, slots=True)
class Capture:
    """Money taken from a cardholder; amounts in minor units, `booked_at` in real time (UTC).

    `disputed` is what the bank has taken back and not returned.
    """

    charge_key: str
    gateway_ref: str
    customer_reference: str
    description: str
    amount: int
    currency: str
    refunded: int
    booked_at: datetime
    disputed: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One business reference (the description of the charge) of one customer that was captured more than once."""

    customer_reference: str
    description: str
    charge_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """`balances`: what the merchant has, by currency. `balanced`: every movement has its two sides."""

    captures: tuple[Capture, ...]
    balances: dict[str, int]
    balanced: bool

    @property
    def by_charge_key(self) -> dict[str, Capture]:
        return {capture.charge_key: capture for capture in self.captures}

    @property
    def duplicates(self) -> tuple[Duplicate, ...]:
        """Captures for the same thing. Charges without a description stand for themselves, by their key."""
        seen: dict[tuple[str, str], list[str]] = {}
        for capture in self.captures:
            thing = capture.description or capture.charge_key
            seen.setdefault((capture.customer_reference, thing), []).append(capture.charge_key)
        return tuple(
            Duplicate(customer, thing, tuple(keys)) for (customer, thing), keys in seen.items() if len(keys) > 1
        )


def witness(engine: Engine) -> Witness:
    """Read the simulator's books, in one snapshot."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        captures = tuple(Capture(*row) for row in connection.execute(_CAPTURES))
        balances = connection.execute(_BALANCES).all()
    return Witness(
        captures=captures,
        balances={row.currency: int(row.merchant or 0) for row in balances},
        balanced=all(row.total == 0 for row in balances),
    )
