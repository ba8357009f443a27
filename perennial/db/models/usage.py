"""Meters."""

from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Meter(Base):
    __tablename__ = "meters"

    code: Mapped[str] = mapped_column(primary_key=True)
