"""Several gateways: what is kept to route between them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "routing_tables",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_tables")),
    )
    op.create_table(
        "payment_method_tokens",
        sa.Column("payment_method_id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_methods.id"],
            name=op.f("fk_payment_method_tokens_payment_method_id"),
        ),
        sa.PrimaryKeyConstraint("payment_method_id", "gateway", name=op.f("pk_payment_method_tokens")),
    )
    op.create_index("ix_payment_method_tokens_token", "payment_method_tokens", ["token"])
    op.create_index("ix_payment_methods_token", "payment_methods", ["token"])
    op.add_column("payment_attempts", sa.Column("sender", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("payment_attempts", "sender")
    op.drop_index("ix_payment_methods_token", table_name="payment_methods")
    op.drop_index("ix_payment_method_tokens_token", table_name="payment_method_tokens")
    op.drop_table("payment_method_tokens")
    op.drop_table("routing_tables")
