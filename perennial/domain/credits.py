"""Credit: which of a customer's grants is used first. `docs/billing-rules/credits.md` decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

# What a grant says that comes from a document, by the kind of that document's business key.
_REASONS = {"credit": "credit_note", "refund": "refund_failed", "charge": "overpayment", "void": "voided_invoice"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What is left of one, in minor units. `expires_at` None: never."""

    id: str
    key: str
    remaining: int
    granted_at: datetime
    expires_at: datetime | None = None

    def is_over(self, as_of: datetime) -> bool:
        """From the instant of its expiry on."""
        return self.expires_at is not None and self.expires_at <= as_of

    @property
    def turn(self) -> tuple[bool, datetime, datetime, str]:
        """Earliest expiry first, those that never expire last; then the oldest."""
        expiry = self.expires_at or self.granted_at
        return (self.expires_at is None, expiry, self.granted_at, self.id)


def spend(grants: Iterable[Grant], wanted: int) -> list[tuple[Grant, int]]:
    """How much of which grant makes up `wanted`, or all of them if that is more."""
    parts = []
    for grant in sorted(grants, key=lambda grant: grant.turn):
        part = min(grant.remaining, wanted)
        if part > 0:
            parts.append((grant, part))
            wanted -= part
    return parts


def reason_of(key: str) -> str:
    """Why there is credit, by the business key of what it comes from."""
    kind = key.partition(":")[0]
    return _REASONS.get(kind, kind)
