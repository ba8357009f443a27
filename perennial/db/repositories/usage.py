"""Usage as the lines of an invoice."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from perennial.domain.subscription.effects import Line
from perennial.domain.subscription.state import UsageStretch


def rated(
    session: Session, subscription_id: str, stretches: Sequence[UsageStretch], currency: str, *, tax_inclusive: bool
) -> list[Line]:
    """What the stretches, and what came late for earlier ones, would cost now. Locks and writes nothing."""
    return []


def bill(
    session: Session,
    subscription_id: str,
    stretches: Sequence[UsageStretch],
    currency: str,
    *,
    tax_inclusive: bool,
    invoice_id: str,
    as_of: datetime,
) -> list[Line]:
    """The same, for good: what is billed here is never billed again, and what comes later is late."""
    return []
