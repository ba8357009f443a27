"""What is kept to choose between gateways."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class RoutingTable(Base):
    """All rules at once, as they were set (`perennial.domain.routing`). The newest row is in force, older ones stay."""

    __tablename__ = "routing_tables"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    rules: Mapped[list[Any]]
    created_at: Mapped[datetime]


class PaymentMethodToken(Base):
    """The card of a payment method at one more gateway: where it is charged when the first is out of order."""

    __tablename__ = "payment_method_tokens"
    __table_args__ = (Index("ix_payment_method_tokens_token", "token"),)

    payment_method_id: Mapped[str] = mapped_column(ForeignKey("payment_methods.id"), primary_key=True)
    gateway: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str]
    created_at: Mapped[datetime]
