"""Who redeemed which coupon."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base

_IN_FORCE = text("released_at IS NULL")


class CouponRedemption(Base):
    """`id` follows from `request_id`, which redeems once. Released: what it was redeemed for was refused after all.

    There is no foreign key to the subscription: its row may come after this one, in the same transaction.
    """

    __tablename__ = "coupon_redemptions"
    __table_args__ = (
        Index(
            "uq_coupon_redemptions_in_force",
            "coupon_code",
            "subscription_id",
            unique=True,
            postgresql_where=_IN_FORCE,
        ),
        Index("ix_coupon_redemptions_coupon", "coupon_code", "redeemed_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    coupon_code: Mapped[str] = mapped_column(ForeignKey("coupons.code"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    subscription_id: Mapped[str] = mapped_column(index=True)
    request_id: Mapped[str] = mapped_column(index=True)
    redeemed_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
