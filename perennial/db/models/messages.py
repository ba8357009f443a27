"""The outbox (what must be said, written with the fact) and the local mailbox (what was said)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class OutboxMessage(Base):
    __tablename__ = "outbox_messages"
    __table_args__ = (
        Index("ix_outbox_messages_open", "next_attempt_at", postgresql_where=text("delivered_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default="email")
    customer_id: Mapped[str | None]
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    payload: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    # Machine time, not domain time: when the relay may try (again).
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_error: Mapped[str | None]


class MailboxMessage(Base):
    __tablename__ = "mailbox_messages"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    # What the mailbox stood for.
    channel: Mapped[str] = mapped_column(server_default="email")
    customer_id: Mapped[str | None] = mapped_column(index=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    delivered_at: Mapped[datetime]


class IdempotencyKey(Base):
    """The first answer to a request of the API, given again when the request comes again."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None] = mapped_column(Integer)
    body: Mapped[dict[str, Any] | None]
    location: Mapped[str | None]
    created_at: Mapped[datetime]
