"""A few rows that messages speak of, and a way to put a message into the outbox."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from perennial.db.engine import Sessions, unit_of_work
from perennial.db.models import Customer, Gift, Invoice, OutboxMessage, Plan, PlanVersion, Subscription

NOW = datetime(2031, 1, 31, 12, tzinfo=UTC)


def populate(session: Session) -> None:
    session.execute(
        insert(Customer),
        [
            {"id": "cus_ada", "name": "Ada", "email": "ada@example.com", "timezone": "UTC", "created_at": NOW},
            {"id": "cus_bob", "name": "Bob", "email": "bob@example.com", "timezone": "Asia/Tokyo", "created_at": NOW},
        ],
    )
    session.execute(insert(Plan).values(code="team", created_at=NOW))
    session.execute(
        insert(PlanVersion).values(
            plan_code="team",
            version=1,
            name="Team",
            interval_unit="month",
            interval_count=1,
            prices={},
            trial_days=0,
            trial_needs_card=True,
            proration="second",
            dunning={},
            allow_multiple=False,
            created_at=NOW,
        )
    )
    session.execute(
        insert(Subscription).values(
            id="sub_ada",
            customer_id="cus_ada",
            plan_code="team",
            plan_version=1,
            quantity=2,
            currency="USD",
            timezone="UTC",
            status="active",
            period_start=NOW,
            period_end=NOW,
            dunning_attempt=0,
            created_at=NOW,
            state={},
            step=1,
        )
    )
    session.execute(
        insert(Invoice).values(
            id="inv_1",
            key="invoice:sub_ada:0:period",
            number="INV-000001",
            subscription_id="sub_ada",
            customer_id="cus_ada",
            reason="period",
            period_no=0,
            period_start=NOW,
            period_end=NOW,
            currency="JPY",
            subtotal=1999,
            discount=0,
            net=1999,
            tax=0,
            total=1999,
            credit_applied=0,
            amount_due=1999,
            status="paid",
            issued_at=NOW,
        )
    )
    session.execute(
        insert(Gift).values(
            id="gift_1",
            giver_id="cus_bob",
            recipient_email="mary@example.com",
            recipient_name="Mary",
            message="Enjoy!",
            claim_code="ABCD-EFGH",
            plan_code="team",
            plan_version=1,
            quantity=1,
            periods=3,
            currency="USD",
            status="scheduled",
            deliver_at=NOW,
            created_at=NOW,
            state={},
            step=1,
        )
    )


def say(sessions: Sessions, kind: str, subject: str, payload: Any = None, **columns: object) -> str:
    """Put a message to Ada (unless told otherwise) into the outbox; answers its key."""
    key = f"notify:{kind}:{subject}"
    values = {"customer_id": "cus_ada", "next_attempt_at": NOW, "occurred_at": NOW} | columns
    with unit_of_work(sessions) as session:
        session.execute(insert(OutboxMessage).values(key=key, kind=kind, payload=payload or {}, **values))
    return key
