"""Sessions of the checkout page."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class CheckoutSession(Base):
    """`mode`: subscription, invoice, setup. `status`: open, completed, expired.

    `terms` are what is subscribed to (plan, quantity, ... as in `NewSubscription`), of mode subscription alone.
    `payment_method_id` is what the customer chose last. `tries` counts what they have sent: it names each try, so that
    the same form sent twice is one try. `busy_since` (machine time) stands while a try is being carried out; `refusal`
    is the code of what came of it, if it was refused.
    """

    __tablename__ = "checkout_sessions"
    __table_args__ = (
        # One link of a mail leads to one session as long as that is open.
        Index(
            "uq_checkout_sessions_link",
            "invoice_id",
            unique=True,
            postgresql_where=text("is_link AND status = 'open'"),
        ),
        Index("ix_checkout_sessions_open", "expires_at", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    # What the link carries is not kept.
    secret_hash: Mapped[str]
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    terms: Mapped[dict[str, Any] | None]
    invoice_id: Mapped[str | None] = mapped_column(ForeignKey("invoices.id"), index=True)
    subscription_id: Mapped[str | None]
    is_link: Mapped[bool]
    gateway: Mapped[str]
    # The gateway's id of what its form in the browser makes (a SetupIntent).
    setup_ref: Mapped[str | None]
    payment_method_id: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    busy_since: Mapped[datetime | None]
    refusal: Mapped[str | None]
    success_url: Mapped[str | None]
    cancel_url: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
