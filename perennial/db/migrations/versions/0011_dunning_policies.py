"""Dunning policies as rows, what the networks count, channels of messages, cards that expire."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A card that its network has barred is barred behind every token: whoever adds it again finds it so. In the database,
# so that reading it costs a charge nothing and no way of adding a payment method can forget it.
_BARRED = """
CREATE FUNCTION payment_methods_card_barred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.fingerprint IS DISTINCT FROM OLD.fingerprint THEN
        NEW.card_barred := EXISTS (
            SELECT 1 FROM payment_methods
            WHERE fingerprint = NEW.fingerprint AND card_barred AND id <> NEW.id
        );
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_methods_card_barred BEFORE INSERT OR UPDATE OF fingerprint ON payment_methods
FOR EACH ROW EXECUTE FUNCTION payment_methods_card_barred();
"""


def upgrade() -> None:
    op.create_table(
        "dunning_policies",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_dunning_policies")),
    )
    op.create_table(
        "dunning_assignments",
        sa.Column("customer_group", sa.Text(), nullable=False),
        sa.Column("policy_code", sa.Text(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_group", name=op.f("pk_dunning_assignments")),
    )
    op.create_table(
        "dunning_cases",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("policy_code", sa.Text(), nullable=True),
        sa.Column("policy_version", sa.BigInteger(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_dunning_cases_invoice_id")),
        sa.ForeignKeyConstraint(
            ["policy_code", "policy_version"],
            ["dunning_policies.code", "dunning_policies.version"],
            name=op.f("fk_dunning_cases_policy_code"),
        ),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_dunning_cases")),
    )
    op.add_column("customers", sa.Column("customer_group", sa.Text(), nullable=True))
    op.create_index(op.f("ix_customers_customer_group"), "customers", ["customer_group"])
    op.add_column("payment_attempts", sa.Column("response_code", sa.Text(), nullable=True))
    op.add_column("payment_attempts", sa.Column("advice_code", sa.Text(), nullable=True))
    op.add_column("payment_attempts", sa.Column("card", sa.Text(), nullable=True))
    op.add_column("payment_methods", sa.Column("card_barred", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(_BARRED)
    op.create_index(
        "ix_payment_attempts_counted",
        "payment_attempts",
        ["card", "amount", "currency", "started_at"],
        postgresql_where=sa.text("card IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_methods_expiry",
        "payment_methods",
        ["exp_year", "exp_month", "id"],
        postgresql_where=sa.text("detached_at IS NULL"),
    )
    op.add_column("outbox_messages", sa.Column("channel", sa.Text(), server_default="email", nullable=False))
    op.add_column("mailbox_messages", sa.Column("channel", sa.Text(), server_default="email", nullable=False))


def downgrade() -> None:
    op.drop_column("mailbox_messages", "channel")
    op.drop_column("outbox_messages", "channel")
    op.drop_index("ix_payment_methods_expiry", table_name="payment_methods")
    op.drop_index("ix_payment_attempts_counted", table_name="payment_attempts")
    op.execute("DROP TRIGGER payment_methods_card_barred ON payment_methods")
    op.execute("DROP FUNCTION payment_methods_card_barred()")
    op.drop_column("payment_methods", "card_barred")
    for column in ("card", "advice_code", "response_code"):
        op.drop_column("payment_attempts", column)
    op.drop_index(op.f("ix_customers_customer_group"), table_name="customers")
    op.drop_column("customers", "customer_group")
    op.drop_table("dunning_cases")
    op.drop_table("dunning_assignments")
    op.drop_table("dunning_policies")
