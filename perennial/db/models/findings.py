"""What the reconciliation and the checks have found, and what gateways have in their books."""

from datetime import datetime

from sqlalchemy import Index, case, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from perennial.db.models.base import Base


class Finding(Base):
    """One discrepancy. Found again it stays one row; gone, the next tour resolves it. All instants are machine time.

    `source` is the round that finds it (`gateway:stripe`, `spans_tile`), `kind` what is wrong, `subject` an id or a
    business key. `detail` says it in words, without people. `repair` says what was done by itself, if something was.
    """

    __tablename__ = "findings"
    __table_args__ = (
        Index("ix_findings_open", "source", postgresql_where=text("resolved_at IS NULL")),
        Index("ix_findings_subject", "subject"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    source: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]
    first_seen: Mapped[datetime] = mapped_column(index=True)
    last_seen: Mapped[datetime]
    resolved_at: Mapped[datetime | None] = mapped_column()
    repaired_at: Mapped[datetime | None]
    repair: Mapped[str | None]
    # Not a column: what lists are filtered by.
    status: Mapped[str] = column_property(case((resolved_at.is_(None), "open"), else_="resolved"))


class Tour(Base):
    """When a tour of the reconciler has last been through all its rounds."""

    __tablename__ = "tours"

    name: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime]


class GatewayCharge(Base):
    """A charge as its gateway listed it last (`listed_at`, machine time): the other side of every comparison.

    Minor units; `disputed` is null where the list does not tell. `invoice_key` is the middle of our charge key.
    """

    __tablename__ = "gateway_charges"

    gateway: Mapped[str] = mapped_column(primary_key=True)
    charge_key: Mapped[str] = mapped_column(primary_key=True)
    invoice_key: Mapped[str] = mapped_column(index=True)
    gateway_ref: Mapped[str]
    status: Mapped[str]
    currency: Mapped[str]
    captured: Mapped[int]
    refunded: Mapped[int]
    disputed: Mapped[int | None]
    listed_at: Mapped[datetime]
