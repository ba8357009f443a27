"""Disputes of charges, and what a plan makes of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "disputes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("gateway_ref", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("credit_taken", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_disputes_positive")),
        sa.CheckConstraint("credit_taken BETWEEN 0 AND amount", name=op.f("ck_disputes_credit_within")),
        sa.CheckConstraint("(status = 'open') = (closed_at IS NULL)", name=op.f("ck_disputes_closed")),
        sa.ForeignKeyConstraint(["attempt_id"], ["payment_attempts.id"], name=op.f("fk_disputes_attempt_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_disputes_customer_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_disputes_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("gateway", "gateway_ref", name=op.f("uq_disputes_gateway_gateway_ref")),
        sa.UniqueConstraint("key", name=op.f("uq_disputes_key")),
    )
    op.create_index(op.f("ix_disputes_attempt_id"), "disputes", ["attempt_id"], unique=False)
    op.create_index(op.f("ix_disputes_invoice_id"), "disputes", ["invoice_id"], unique=False)
    op.create_index(op.f("ix_disputes_opened_at"), "disputes", ["opened_at"], unique=False)
    op.create_index("ix_disputes_customer", "disputes", ["customer_id", "opened_at"], unique=False)
    op.add_column("plan_versions", sa.Column("on_dispute", sa.Text(), server_default="freeze", nullable=False))


def downgrade() -> None:
    op.drop_column("plan_versions", "on_dispute")
    op.drop_table("disputes")
