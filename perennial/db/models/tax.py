"""Tax rates that the merchant has entered."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, Numeric, false
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class OwnTaxRate(Base):
    """Comes before the packaged rates of its place. Valid from `valid_from` (included) to `valid_to` (excluded).

    `combined`: a region's rate that holds the country's own, such as Canadian HST.
    """

    __tablename__ = "tax_rates"
    __table_args__ = (
        CheckConstraint("percent >= 0 AND percent <= 100", name="percent"),
        CheckConstraint("valid_to > valid_from", name="days"),
        Index("ix_tax_rates_place", "country", "region"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    country: Mapped[str]
    region: Mapped[str | None]
    name: Mapped[str]
    percent: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    combined: Mapped[bool] = mapped_column(server_default=false())
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    created_at: Mapped[datetime]
