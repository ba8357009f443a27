"""Moving the subscribers of a plan to another version of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class PlanMigration(Base):
    """`status`: running, completed, canceled. At most one runs for a plan.

    `from_versions` are exactly those that are left; `currency` null: all of them. `effective_at` is the instant that a
    change at once is computed for (on a test clock: where that stands).
    """

    __tablename__ = "plan_migrations"
    __table_args__ = (
        Index("uq_plan_migrations_running", "plan_code", unique=True, postgresql_where=text("status = 'running'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    plan_code: Mapped[str] = mapped_column(ForeignKey("plans.code"), index=True)
    to_version: Mapped[int]
    from_versions: Mapped[list[Any]]
    currency: Mapped[str | None]
    when: Mapped[str]
    proration: Mapped[str | None]
    status: Mapped[str]
    effective_at: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PlanMigrationItem(Base):
    """One subscription of it; they are fixed when it begins.

    `status`: pending (`code` is `command_pending` once it may have taken the command in), scheduled, migrated, refused
    (by a rule: `code`, `message`), failed (a defect), canceled (with the migration, before anybody asked). `tries`
    counts answers that did not come: those wait behind the others.
    """

    __tablename__ = "plan_migration_items"
    __table_args__ = (
        Index(
            "ix_plan_migration_items_pending",
            "migration_id",
            "tries",
            "subscription_id",
            postgresql_where=text("status = 'pending'"),
        ),
    )

    migration_id: Mapped[str] = mapped_column(ForeignKey("plan_migrations.id"), primary_key=True)
    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    code: Mapped[str | None]
    message: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default="0")
