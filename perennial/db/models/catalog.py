"""What is sold. A plan version never changes: a new price is a new version."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, false
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Plan(Base):
    __tablename__ = "plans"

    code: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class PlanVersion(Base):
    """`prices` maps a currency to a pricing model (see `perennial.domain.pricing`), amounts in major units.

    `charges`: [{code, name, meter, prices}] in arrears; `fees`: [{code, name, amounts}] once; `addons`:
    [{code, name, prices}]; `entitlements`: see `perennial.domain.entitlements`.
    """

    __tablename__ = "plan_versions"

    plan_code: Mapped[str] = mapped_column(ForeignKey("plans.code"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    interval_unit: Mapped[str]
    interval_count: Mapped[int]
    prices: Mapped[dict[str, Any]]
    trial_days: Mapped[int]
    trial_needs_card: Mapped[bool]
    reminder_days: Mapped[int | None]
    proration: Mapped[str]
    dunning: Mapped[dict[str, Any]]
    allow_multiple: Mapped[bool]
    charges: Mapped[list[Any]] = mapped_column(server_default="[]")
    fees: Mapped[list[Any]] = mapped_column(server_default="[]")
    addons: Mapped[list[Any]] = mapped_column(server_default="[]")
    entitlements: Mapped[list[Any]] = mapped_column(server_default="[]")
    # Whether prices hold the tax already.
    tax_inclusive: Mapped[bool] = mapped_column(server_default=false())
    # What a cancellation at once gives back (none, prorated, full), and whether to the balance.
    cancel_refund: Mapped[str] = mapped_column(server_default="none")
    refund_to_credit: Mapped[bool] = mapped_column(server_default=false())
    on_dispute: Mapped[str] = mapped_column(server_default="freeze")
    created_at: Mapped[datetime]


class Coupon(Base):
    """Either a percentage or an amount; `duration_periods` is null for a coupon that lasts for ever.

    `plans` null: every plan. `redeemed` counts redemptions and never passes `max_redemptions`.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint("(percent_off IS NULL) <> (amount_off IS NULL)", name="percent_or_amount"),
        CheckConstraint("redeemed >= 0 AND redeemed <= coalesce(max_redemptions, redeemed)", name="redemptions"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    percent_off: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    amount_off: Mapped[int | None]
    currency: Mapped[str | None]
    duration_periods: Mapped[int | None]
    plans: Mapped[list[Any] | None]
    first_time_only: Mapped[bool] = mapped_column(server_default=false())
    # Whether it may be in force beside another coupon that says the same of itself.
    combinable: Mapped[bool] = mapped_column(server_default=false())
    max_redemptions: Mapped[int | None]
    redeemed: Mapped[int] = mapped_column(server_default="0")
    expires_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
