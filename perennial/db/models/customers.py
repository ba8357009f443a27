"""Customers, their payment methods and the evidence of where they are. Personal data of subscribers stands here."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(index=True)
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    # BCP 47: the language and number format of what the customer reads.
    locale: Mapped[str] = mapped_column(server_default="en")
    company: Mapped[str | None]
    address_line1: Mapped[str | None]
    address_line2: Mapped[str | None]
    postal_code: Mapped[str | None]
    city: Mapped[str | None]
    # ISO 3166-2 without the country, such as CA or BE.
    region: Mapped[str | None]
    # ISO 3166-1 alpha-2; without it no tax can be decided.
    country: Mapped[str | None]
    vat_number: Mapped[str | None]
    # Set when the number was found valid; a number that fails is refused, one that is changed is checked anew.
    vat_checked_at: Mapped[datetime | None]
    tax_exempt: Mapped[bool] = mapped_column(server_default=false())
    # Days to pay an invoice that is sent; null: the payment method is charged at once.
    net_days: Mapped[int | None]
    # Which customers are treated alike when a payment fails (`dunning_assignments`).
    customer_group: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)


class LocationEvidence(Base):
    """What says where a customer is, as tax offices want it kept: billing_address, ip, card, declared."""

    __tablename__ = "location_evidence"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    kind: Mapped[str]
    country: Mapped[str]
    region: Mapped[str | None]
    recorded_at: Mapped[datetime]


class PaymentMethod(Base):
    """A token at a gateway with what may be shown of the card. No card number ever reaches us."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        Index(
            "uq_payment_methods_default",
            "customer_id",
            unique=True,
            postgresql_where=text("is_default AND detached_at IS NULL"),
        ),
        Index(
            "uq_payment_methods_backup",
            "customer_id",
            unique=True,
            postgresql_where=text("is_backup AND detached_at IS NULL"),
        ),
        Index("ix_payment_methods_token", "token"),
        Index("ix_payment_methods_expiry", "exp_year", "exp_month", "id", postgresql_where=text("detached_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    gateway: Mapped[str]
    token: Mapped[str]
    brand: Mapped[str]
    last4: Mapped[str]
    exp_month: Mapped[int]
    exp_year: Mapped[int]
    is_default: Mapped[bool]
    # Tried once when the subscription's own method is declined.
    is_backup: Mapped[bool] = mapped_column(server_default=false())
    # Equal for equal cards: the networks count attempts by card, whatever the token.
    fingerprint: Mapped[str | None] = mapped_column(index=True)
    # The network has said that it will never be approved. A trigger carries it over to other tokens of the same card.
    card_barred: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]
    detached_at: Mapped[datetime | None]
