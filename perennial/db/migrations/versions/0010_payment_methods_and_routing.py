"""Backup methods, what stands for a card, and what a cancellation gives back by plan."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("payment_methods", sa.Column("is_backup", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("payment_methods", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.create_index(op.f("ix_payment_methods_fingerprint"), "payment_methods", ["fingerprint"])
    op.create_index(
        "uq_payment_methods_backup",
        "payment_methods",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("is_backup AND detached_at IS NULL"),
    )
    op.add_column("payment_attempts", sa.Column("backup_method_id", sa.Text(), nullable=True))
    op.add_column("plan_versions", sa.Column("cancel_refund", sa.Text(), server_default="none", nullable=False))
    op.add_column(
        "plan_versions", sa.Column("refund_to_credit", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("plan_versions", "refund_to_credit")
    op.drop_column("plan_versions", "cancel_refund")
    op.drop_column("payment_attempts", "backup_method_id")
    op.drop_index("uq_payment_methods_backup", table_name="payment_methods")
    op.drop_index(op.f("ix_payment_methods_fingerprint"), table_name="payment_methods")
    op.drop_column("payment_methods", "fingerprint")
    op.drop_column("payment_methods", "is_backup")
