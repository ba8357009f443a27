"""What support did, why, and what came of it."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class SupportAction(Base):
    """Written before the action and finished after it: one without an `outcome` was cut off in the middle.

    `actor` is an API key's name or a person at the command line, `subject` the id (or the query) it was done to.
    `reason` is prose and may name people: it stays in this table.
    """

    __tablename__ = "support_actions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    outcome: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class EndedSession(Base):
    """A session of the dashboard that was signed out of before its time. `digest` is of its cookie."""

    __tablename__ = "ended_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class BatchReset(Base):
    """Many subscriptions set back: those that a worker's `build` decided about, or those that `query` finds.

    `status`: looking, looked, resetting, completed, halted, canceled (`perennial.support.batch_resets.Status`). `actor`
    and `reason` are of who let it go; null while it was only looked at.
    """

    __tablename__ = "batch_resets"

    id: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str | None]
    query: Mapped[str | None]
    status: Mapped[str]
    actor: Mapped[str | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BatchResetItem(Base):
    """One subscription of it; they are fixed when it begins. `outcome` null: it has not been its turn yet."""

    __tablename__ = "batch_reset_items"
    __table_args__ = (
        Index("ix_batch_reset_items_pending", "batch_id", "subscription_id", postgresql_where=text("outcome IS NULL")),
    )

    batch_id: Mapped[str] = mapped_column(ForeignKey("batch_resets.id"), primary_key=True)
    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str | None]
    to: Mapped[str] = mapped_column(server_default="")
    words: Mapped[str] = mapped_column(server_default="")
