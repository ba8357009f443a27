"""Attempts to collect an invoice, refunds, and what gateways told us."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class PaymentAttempt(Base):
    """Committed as `pending` before the gateway is called. `key` (`charge:{invoice}:{n}`) is the gateway's key too.

    `card` is set where a network counts the attempt; `response_code` and `advice_code` are the network's own words,
    where the gateway passes them on (`perennial.domain.networks`).

    `sender` is the execution that alone may have asked a gateway about it; null: others may have too, or nobody knows.
    While it stands, that execution may take a charge that was certainly refused to another gateway.

    Status: pending, succeeded, declined, requires_action, processing, canceled.
    """

    __tablename__ = "payment_attempts"
    __table_args__ = (
        UniqueConstraint("invoice_id", "n"),
        Index(
            "ix_payment_attempts_counted",
            "card",
            "amount",
            "currency",
            "started_at",
            postgresql_where=text("card IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    n: Mapped[int]
    customer_id: Mapped[str] = mapped_column(index=True)
    trigger: Mapped[str]
    gateway: Mapped[str]
    payment_method_id: Mapped[str | None]
    # The customer's backup method when this attempt was declined: what is told again must be what was told.
    backup_method_id: Mapped[str | None]
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    decline_code: Mapped[str | None]
    response_code: Mapped[str | None]
    advice_code: Mapped[str | None]
    card: Mapped[str | None]
    sender: Mapped[str | None]
    gateway_ref: Mapped[str | None]
    action_url: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]


class Refund(Base):
    __tablename__ = "refunds"
    # The daily look-up pages through what gateways have in hand: a handful among all that ever was.
    __table_args__ = (
        Index("ix_refunds_in_hand", "key", postgresql_where=text("status = 'pending' AND gateway_ref IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    credit_note_id: Mapped[str] = mapped_column(ForeignKey("credit_notes.id"), index=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("payment_attempts.id"), index=True)
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str]
    gateway_ref: Mapped[str | None]
    created_at: Mapped[datetime]


class WebhookEvent(Base):
    """What a gateway sent, stored under its own id before it is acted on: a doubled event is seen here."""

    __tablename__ = "webhook_events"
    __table_args__ = (UniqueConstraint("gateway", "event_id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    gateway: Mapped[str]
    event_id: Mapped[str]
    kind: Mapped[str]
    charge_key: Mapped[str | None]
    body: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    forwarded_at: Mapped[datetime | None]
