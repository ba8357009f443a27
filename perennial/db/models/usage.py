"""What was used: events as they come, the meters that count them, and what of it was billed."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Meter(Base):
    """See `perennial.domain.usage`. Never changed; `filters`: [{property, comparison, values}]."""

    __tablename__ = "meters"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    event: Mapped[str] = mapped_column(index=True)
    aggregation: Mapped[str]
    property: Mapped[str | None]
    filters: Mapped[list[Any]] = mapped_column(server_default="[]")
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class UsageEvent(Base):
    """`id` is the sender's, so that an event that comes twice counts once. Properties are texts.

    `late`: its time had been billed when it came; it stands on the next invoice (then no longer late). `received_at` is
    machine time. No foreign keys: they would cost the most of an insertion, and ingestion has looked at both. For the
    same reason only one index has an entry for each row, beside the key.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("ix_usage_events_at", "subscription_id", "at"),
        Index("ix_usage_events_late", "subscription_id", postgresql_where=text("late")),
        Index("ix_usage_events_unattributed", "customer_id", "at", postgresql_where=text("subscription_id IS NULL")),
        # What came lately, for alerts: a range of blocks instead of an entry for each row.
        Index("ix_usage_events_received", "received_at", postgresql_using="brin"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    subscription_id: Mapped[str | None]
    name: Mapped[str]
    at: Mapped[datetime]
    properties: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    late: Mapped[bool]


class UsageWindow(Base):
    """How far the usage of a subscription has been billed. Locked by whoever adds to it or bills it."""

    __tablename__ = "usage_windows"

    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    billed_until: Mapped[datetime | None]


class UsageBilled(Base):
    """What was billed of a charge for a stretch, late events included; `price` and `meter` as they were agreed."""

    __tablename__ = "usage_billed"

    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    charge_code: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    name: Mapped[str]
    meter: Mapped[str] = mapped_column(ForeignKey("meters.code"))
    price: Mapped[dict[str, Any]]
    quantity: Mapped[Decimal] = mapped_column(Numeric())
    amount: Mapped[int]
    # Whether the price holds the tax.
    tax_inclusive: Mapped[bool]
    invoice_id: Mapped[str] = mapped_column(index=True)
