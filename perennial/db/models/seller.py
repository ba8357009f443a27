"""Who sells: what stands on documents and decides on tax. One row."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Integer, LargeBinary, false
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Seller(Base):
    """The merchant. `registrations`: [{country, region, number, since}]: where tax is collected; none: nowhere.

    Numbers of documents are `{prefix}-{number}`, or `{prefix}-{year}-{number}` with `numbers_by_year`.
    """

    __tablename__ = "sellers"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str]
    address_line1: Mapped[str | None]
    address_line2: Mapped[str | None]
    postal_code: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    country: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    website: Mapped[str | None]
    vat_number: Mapped[str | None]
    # The number of the commercial register, and which one.
    register_number: Mapped[str | None]
    iban: Mapped[str | None]
    bic: Mapped[str | None]
    # PNG or SVG.
    logo: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Stands at the foot of every document.
    footer: Mapped[str | None]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    registrations: Mapped[list[Any]] = mapped_column(server_default="[]")
    # `invoice` or `line` (perennial.domain.invoice.TaxRounding).
    tax_rounding: Mapped[str] = mapped_column(server_default="invoice")
    invoice_prefix: Mapped[str] = mapped_column(server_default="INV")
    credit_note_prefix: Mapped[str] = mapped_column(server_default="CN")
    numbers_by_year: Mapped[bool] = mapped_column(server_default=false())
    updated_at: Mapped[datetime]
