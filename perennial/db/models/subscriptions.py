"""The projection of subscription workflows: written by their activities alone (and the insert that precedes them)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class TestClock(Base):
    """Domain time that stands still until it is advanced. `status` is `ready` or `advancing`."""

    __tablename__ = "test_clocks"
    __test__ = False

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    now: Mapped[datetime]
    target: Mapped[datetime | None]
    status: Mapped[str]
    created_at: Mapped[datetime]


class Subscription(Base):
    """One row a subscription. `state` is the whole workflow state, from which a lost workflow is started again."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index(
            "ix_subscriptions_due",
            "next_due_at",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_subscriptions_parked", "parked_at", postgresql_where=text("parked_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    test_clock_id: Mapped[str | None] = mapped_column(ForeignKey("test_clocks.id"), index=True)
    plan_code: Mapped[str] = mapped_column(index=True)
    plan_version: Mapped[int]
    quantity: Mapped[int]
    currency: Mapped[str]
    timezone: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    trial_end: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None]
    next_due_kind: Mapped[str | None]
    cancel_at: Mapped[datetime | None]
    dunning_attempt: Mapped[int]
    payment_method_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    state: Mapped[dict[str, Any]]
    # The fence against a late write of a worker that was thought dead: within one run steps only grow.
    run_id: Mapped[str] = mapped_column(server_default="")
    step: Mapped[int]


class ServiceSpan(Base):
    """A stretch of a subscription's life: trial, paid, prepaid, paused, skipped. Together they tile it."""

    __tablename__ = "service_spans"

    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime | None]
    kind: Mapped[str]
    period_no: Mapped[int]


class TimelineEntry(Base):
    """What was decided, when (domain time) and by whom. `subject_id` is a subscription or a gift."""

    __tablename__ = "timeline_entries"
    __table_args__ = (UniqueConstraint("subject_id", "step", "position"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    subject_id: Mapped[str]
    step: Mapped[int]
    position: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str]
    actor: Mapped[str]
    data: Mapped[dict[str, Any]]


class Gift(Base):
    """A prepaid subscription for somebody else. `recipient_email` stays here and never enters a workflow."""

    __tablename__ = "gifts"

    id: Mapped[str] = mapped_column(primary_key=True)
    giver_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    recipient_email: Mapped[str]
    recipient_name: Mapped[str]
    recipient_id: Mapped[str | None] = mapped_column(index=True)
    message: Mapped[str]
    claim_code: Mapped[str] = mapped_column(unique=True)
    plan_code: Mapped[str]
    plan_version: Mapped[int]
    quantity: Mapped[int]
    periods: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    deliver_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None]
    subscription_id: Mapped[str | None] = mapped_column(unique=True)
    test_clock_id: Mapped[str | None] = mapped_column(ForeignKey("test_clocks.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[dict[str, Any]]
    run_id: Mapped[str] = mapped_column(server_default="")
    step: Mapped[int]
