"""What support did, why, and what came of it."""

from datetime import datetime

from sqlalchemy import Identity
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
