"""Refunds in hand are found without a look at all the others; disputes know when they were decided."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_refunds_in_hand",
        "refunds",
        ["key"],
        postgresql_where=sa.text("status = 'pending' AND gateway_ref IS NOT NULL"),
    )
    op.add_column("disputes", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("disputes", "told_at")
    op.drop_index("ix_refunds_in_hand", table_name="refunds")
