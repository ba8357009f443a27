"""Credit grants and coupon redemptions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LEFT = sa.text("remaining > 0")


def upgrade() -> None:
    op.create_table(
        "credit_grants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_credit_grants_positive")),
        sa.CheckConstraint(
            "remaining >= 0 AND expired >= 0 AND remaining + expired <= amount", name=op.f("ck_credit_grants_parts")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_credit_grants_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_grants")),
        sa.UniqueConstraint("key", name=op.f("uq_credit_grants_key")),
    )
    op.create_index("ix_credit_grants_customer", "credit_grants", ["customer_id", "granted_at"], unique=False)
    op.create_index("ix_credit_grants_left", "credit_grants", ["customer_id", "currency"], postgresql_where=_LEFT)
    op.create_index("ix_credit_grants_expiring", "credit_grants", ["expires_at"], postgresql_where=_LEFT)
    op.create_table(
        "credit_uses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_credit_uses_not_zero")),
        sa.ForeignKeyConstraint(["grant_id"], ["credit_grants.id"], name=op.f("fk_credit_uses_grant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_uses")),
    )
    op.create_index(op.f("ix_credit_uses_grant_id"), "credit_uses", ["grant_id"], unique=False)
    op.create_index(op.f("ix_credit_uses_invoice_id"), "credit_uses", ["invoice_id"], unique=False)
    op.execute(
        "CREATE TRIGGER credit_uses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_uses "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    # What customers have by now; the ledger knows since when.
    op.execute(
        """
        INSERT INTO credit_grants (id, key, customer_id, currency, amount, remaining, reason, granted_at)
        SELECT 'cg_' || left(encode(sha256(convert_to('opening:' || customer_id || ':' || currency, 'UTF8')), 'hex'),
                             24),
               'opening:' || customer_id || ':' || currency, customer_id, currency, balance, balance, 'opening_balance',
               (SELECT max(t.at) FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                WHERE e.account = 'credit:' || b.customer_id AND e.currency = b.currency)
        FROM credit_balances b WHERE balance > 0
        """
    )
    op.create_table(
        "coupon_redemptions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("coupon_code", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["coupon_code"], ["coupons.code"], name=op.f("fk_coupon_redemptions_coupon_code")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_coupon_redemptions_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_redemptions")),
    )
    op.create_index("ix_coupon_redemptions_coupon", "coupon_redemptions", ["coupon_code", "redeemed_at"], unique=False)
    op.create_index(op.f("ix_coupon_redemptions_customer_id"), "coupon_redemptions", ["customer_id"], unique=False)
    op.create_index(op.f("ix_coupon_redemptions_request_id"), "coupon_redemptions", ["request_id"], unique=False)
    op.create_index(
        op.f("ix_coupon_redemptions_subscription_id"), "coupon_redemptions", ["subscription_id"], unique=False
    )
    op.create_index(
        "uq_coupon_redemptions_in_force",
        "coupon_redemptions",
        ["coupon_code", "subscription_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("coupon_redemptions")
    op.execute("DROP TRIGGER credit_uses_append_only ON credit_uses")
    op.drop_table("credit_uses")
    op.drop_table("credit_grants")
