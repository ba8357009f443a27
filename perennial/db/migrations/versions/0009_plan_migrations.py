"""Moving subscribers to another plan version."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "plan_migrations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("to_version", sa.BigInteger(), nullable=False),
        sa.Column("from_versions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("when", sa.Text(), nullable=False),
        sa.Column("proration", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["plan_code"], ["plans.code"], name=op.f("fk_plan_migrations_plan_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_migrations")),
    )
    op.create_index(op.f("ix_plan_migrations_plan_code"), "plan_migrations", ["plan_code"], unique=False)
    op.create_index(
        "uq_plan_migrations_running",
        "plan_migrations",
        ["plan_code"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "plan_migration_items",
        sa.Column("migration_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["plan_migrations.id"], name=op.f("fk_plan_migration_items_migration_id")
        ),
        sa.PrimaryKeyConstraint("migration_id", "subscription_id", name=op.f("pk_plan_migration_items")),
    )
    op.create_index(
        "ix_plan_migration_items_pending",
        "plan_migration_items",
        ["migration_id", "tries", "subscription_id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    op.drop_table("plan_migration_items")
    op.drop_table("plan_migrations")
