"""Customers and their payment methods. The only tables that hold personal data of subscribers."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(index=True)
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    created_at: Mapped[datetime] = mapped_column(index=True)


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
    created_at: Mapped[datetime]
    detached_at: Mapped[datetime | None]
