"""Drafts of one-off invoices, and the words on documents that stay out of workflows."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "invoice_drafts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("collect", sa.Text(), nullable=False),
        sa.Column("net_days", sa.BigInteger(), nullable=True),
        sa.Column("payment_method_id", sa.Text(), nullable=True),
        sa.Column("test_clock_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finalised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.Column("step", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_invoice_drafts_customer_id")),
        sa.ForeignKeyConstraint(["test_clock_id"], ["test_clocks.id"], name=op.f("fk_invoice_drafts_test_clock_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_drafts")),
    )
    for column in ("customer_id", "test_clock_id", "status", "created_at"):
        op.create_index(op.f(f"ix_invoice_drafts_{column}"), "invoice_drafts", [column], unique=False)
    op.create_table(
        "document_memos",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_document_memos")),
    )


def downgrade() -> None:
    op.drop_table("document_memos")
    op.drop_table("invoice_drafts")
