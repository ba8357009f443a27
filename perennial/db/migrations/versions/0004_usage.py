"""Meters, usage events and what of them was billed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "meters",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("aggregation", sa.Text(), nullable=False),
        sa.Column("property", sa.Text(), nullable=True),
        sa.Column("filters", JSONB(), server_default="[]", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_meters")),
    )
    op.create_index(op.f("ix_meters_event"), "meters", ["event"])
    op.create_table(
        "usage_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("properties", JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_events")),
    )
    op.create_index("ix_usage_events_at", "usage_events", ["subscription_id", "at"])
    op.create_index("ix_usage_events_late", "usage_events", ["subscription_id"], postgresql_where=sa.text("late"))
    op.create_index(
        "ix_usage_events_unattributed",
        "usage_events",
        ["customer_id", "at"],
        postgresql_where=sa.text("subscription_id IS NULL"),
    )
    op.create_index("ix_usage_events_received", "usage_events", ["received_at"], postgresql_using="brin")
    op.create_table(
        "usage_windows",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("billed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_usage_windows")),
    )
    op.create_table(
        "usage_billed",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("charge_code", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("price", JSONB(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_inclusive", sa.Boolean(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meters.code"], name=op.f("fk_usage_billed_meter")),
        sa.PrimaryKeyConstraint("subscription_id", "charge_code", "starts_at", name=op.f("pk_usage_billed")),
    )
    op.create_index(op.f("ix_usage_billed_invoice_id"), "usage_billed", ["invoice_id"])


def downgrade() -> None:
    for table in ("usage_billed", "usage_windows", "usage_events", "meters"):
        op.drop_table(table)
