"""What of each invoice line has been recognised as revenue, month by month. Append-only, like the ledger."""

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class Recognition(Base):
    """`amount` (minor units, without tax) of a line was earned in `month` (`2027-03`); negative: taken back.

    `posting` is the key of the ledger's transaction: one for each month, currency and run, and these rows say line by
    line what its sum consists of. `account` is the income it went to: `revenue`, or `breakage` for a gift that nobody
    claimed.
    """

    __tablename__ = "recognitions"
    __table_args__ = (
        ForeignKeyConstraint(["invoice_id", "line_position"], ["invoice_lines.invoice_id", "invoice_lines.position"]),
        Index("ix_recognitions_posting", "posting"),
    )

    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    line_position: Mapped[int] = mapped_column(primary_key=True)
    posting: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str]
    account: Mapped[str]
    amount: Mapped[int]
