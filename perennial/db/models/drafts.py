"""One-off invoices before and beside the invoice itself, and what people write on documents."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from perennial.db.models.base import Base


class OneOffInvoice(Base):
    """A draft; once it is finalised the projection of its workflow, beside the invoice of the same id.

    `status`: draft, deleted, finalised (its workflow lives), settled (paid, void or uncollectible: the invoice says).
    `lines`: [{description, quantity, unit_price | amount, period, tax_inclusive}]. What is written in them and in
    `memo` stays here and on the document, and never enters a workflow. `collect`: charge or send.
    """

    __tablename__ = "invoice_drafts"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    currency: Mapped[str]
    lines: Mapped[list[Any]]
    memo: Mapped[str | None]
    collect: Mapped[str]
    net_days: Mapped[int | None]
    payment_method_id: Mapped[str | None]
    test_clock_id: Mapped[str | None] = mapped_column(ForeignKey("test_clocks.id"), index=True)
    status: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    finalised_at: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None]
    state: Mapped[dict[str, Any] | None]
    run_id: Mapped[str] = mapped_column(server_default="")
    step: Mapped[int] = mapped_column(server_default="0")


class DocumentMemo(Base):
    """The words on a document that a workflow is going to issue, by its business key: they never enter the workflow."""

    __tablename__ = "document_memos"

    key: Mapped[str] = mapped_column(primary_key=True)
    memo: Mapped[str]
