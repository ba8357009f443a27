"""What no history holds, for it is personal or came past the workflows: stand-ins, so that the books are complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Customer, PaymentMethod, TestClock

LOST = "(lost)"
_DETACH = text("UPDATE payment_methods SET detached_at = :now WHERE id = ANY(:ids)")
_CLOCKS = text(
    """
UPDATE test_clocks c SET now = greatest(c.now, s.latest), target = NULL, status = 'ready' FROM (
    SELECT test_clock_id AS id, max((state->>'as_of')::timestamptz) AS latest FROM subscriptions
    WHERE test_clock_id IS NOT NULL GROUP BY test_clock_id
) s WHERE s.id = c.id
"""
)
_TOLD = text("UPDATE outbox_messages SET delivered_at = :now, last_error = NULL WHERE delivered_at IS NULL")


@dataclass
class StandIns:
    """Ids of rows that were lost and are stood in for."""

    customers: set[str] = field(default_factory=set)
    payment_methods: set[str] = field(default_factory=set)
    test_clocks: set[str] = field(default_factory=set)

    def customer(self, session: Session, customer_id: str, at: datetime) -> None:
        row = {
            "id": customer_id,
            "name": LOST,
            "email": f"{customer_id}@lost.invalid",
            "created_at": at,
        }
        if _made(session, Customer, row):
            self.customers.add(customer_id)

    def method(self, session: Session, method_id: str | None, customer_id: str, gateway: str, at: datetime) -> None:
        """Nothing can be charged with it: it is detached when all is told."""
        if method_id is None:
            return
        row = {
            "id": method_id,
            "customer_id": customer_id,
            "gateway": gateway,
            "token": LOST,
            "brand": "unknown",
            "last4": "0000",
            "exp_month": 1,
            "exp_year": 2000,
            "is_default": False,
            "created_at": at,
        }
        if _made(session, PaymentMethod, row):
            self.payment_methods.add(method_id)

    def clock(self, session: Session, clock_id: str | None, at: datetime) -> None:
        row = {"id": clock_id, "name": LOST, "now": at, "status": "ready", "created_at": at}
        if clock_id is not None and _made(session, TestClock, row):
            self.test_clocks.add(clock_id)

    def finish(self, session: Session, now: datetime) -> None:
        session.execute(_DETACH, {"now": now, "ids": list(self.payment_methods)})


def catch_clocks_up(session: Session) -> None:
    """Test clocks were moved past the workflows: they stand where their furthest subscription stands."""
    session.execute(_CLOCKS)


def tell_nobody_again(session: Session, now: datetime) -> int:
    """What waits in the outbox has been told, before the loss; how many messages."""
    told: int = session.execute(_TOLD, {"now": now}).rowcount  # type: ignore[attr-defined]  # of an UPDATE
    return told


def _made(session: Session, model: type, row: Mapping[str, object]) -> bool:
    statement = upsert(model).values(**row).on_conflict_do_nothing(index_elements=["id"]).returning(model.id)  # type: ignore[attr-defined]
    return session.scalar(statement) is not None
