"""Taxes on every document, what documents take back of others, and who sells."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = ("invoice_taxes", "corrections")


def upgrade() -> None:
    op.create_table(
        "sellers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address_line1", sa.Text(), nullable=True),
        sa.Column("address_line2", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("vat_number", sa.Text(), nullable=True),
        sa.Column("register_number", sa.Text(), nullable=True),
        sa.Column("iban", sa.Text(), nullable=True),
        sa.Column("bic", sa.Text(), nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("footer", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("registrations", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("tax_rounding", sa.Text(), server_default="invoice", nullable=False),
        sa.Column("invoice_prefix", sa.Text(), server_default="INV", nullable=False),
        sa.Column("credit_note_prefix", sa.Text(), server_default="CN", nullable=False),
        sa.Column("numbers_by_year", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_sellers_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sellers")),
    )
    op.create_table(
        "location_evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_location_evidence_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location_evidence")),
    )
    op.create_index(op.f("ix_location_evidence_customer_id"), "location_evidence", ["customer_id"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("document_position", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("line_position", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("taxes", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_corrections_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_document_id"), "corrections", ["document_id"], unique=False)
    op.create_index("ix_corrections_line", "corrections", ["invoice_id", "line_position"], unique=False)
    op.create_table(
        "invoice_taxes",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_taxes_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("pk_invoice_taxes")),
    )
    op.add_column("coupons", sa.Column("plans", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "coupons", sa.Column("first_time_only", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("coupons", sa.Column("combinable", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("coupons", sa.Column("max_redemptions", sa.BigInteger(), nullable=True))
    op.add_column("coupons", sa.Column("redeemed", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("coupons", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("coupons", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("credit_notes", sa.Column("net", sa.BigInteger(), nullable=True))
    op.add_column("credit_notes", sa.Column("tax", sa.BigInteger(), nullable=True))
    op.add_column(
        "credit_notes", sa.Column("buyer", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column(
        "credit_notes",
        sa.Column("seller", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("credit_notes", sa.Column("memo", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("locale", sa.Text(), server_default="en", nullable=False))
    op.add_column("customers", sa.Column("company", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("address_line1", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("address_line2", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("postal_code", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("city", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("region", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("country", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("vat_number", sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("vat_checked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("customers", sa.Column("tax_exempt", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("customers", sa.Column("net_days", sa.BigInteger(), nullable=True))
    op.add_column("invoice_lines", sa.Column("net", sa.BigInteger(), nullable=True))
    op.add_column("invoice_lines", sa.Column("tax", sa.BigInteger(), nullable=True))
    op.add_column("invoice_lines", sa.Column("code", sa.Text(), server_default="", nullable=False))
    op.add_column("invoice_lines", sa.Column("price", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "invoice_lines", sa.Column("tax_inclusive", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "invoice_lines",
        sa.Column("discounts", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column(
        "invoice_lines",
        sa.Column("taxes", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column("invoices", sa.Column("net", sa.BigInteger(), nullable=True))
    op.add_column("invoices", sa.Column("tax", sa.BigInteger(), nullable=True))
    op.add_column("invoices", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "invoices", sa.Column("discounts", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.add_column(
        "invoices", sa.Column("buyer", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column(
        "invoices", sa.Column("seller", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column("invoices", sa.Column("memo", sa.Text(), nullable=True))
    op.add_column(
        "plan_versions",
        sa.Column("charges", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column(
        "plan_versions", sa.Column("fees", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.add_column(
        "plan_versions",
        sa.Column("addons", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column(
        "plan_versions",
        sa.Column("entitlements", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column(
        "plan_versions", sa.Column("tax_inclusive", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    backfill()
    for table in ("invoices", "credit_notes", "invoice_lines"):
        op.alter_column(table, "net", nullable=False)
        op.alter_column(table, "tax", nullable=False)
    op.create_check_constraint(
        op.f("ck_invoices_sums"),
        "invoices",
        "total >= 0 AND amount_due >= 0 AND total = amount_due + credit_applied AND total = net + tax",
    )
    op.create_check_constraint(
        op.f("ck_credit_notes_sums"), "credit_notes", "total > 0 AND total = refunded + credited AND total = net + tax"
    )
    op.create_check_constraint(
        op.f("ck_coupons_redemptions"),
        "coupons",
        "redeemed >= 0 AND redeemed <= coalesce(max_redemptions, redeemed)",
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def backfill() -> None:
    """Until now nothing was taxed. The triggers that hold documents still step aside for this one statement each."""
    op.drop_constraint(op.f("ck_invoices_sums"), "invoices", type_="check")
    op.drop_constraint(op.f("ck_credit_notes_sums"), "credit_notes", type_="check")
    for table, net in (("invoices", "total"), ("credit_notes", "total"), ("invoice_lines", "amount - discount")):
        op.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        op.execute(f"UPDATE {table} SET net = {net}, tax = 0")  # noqa: S608 - our own words
        op.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def downgrade() -> None:
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.drop_constraint(op.f("ck_coupons_redemptions"), "coupons", type_="check")
    op.drop_constraint(op.f("ck_invoices_sums"), "invoices", type_="check")
    op.drop_constraint(op.f("ck_credit_notes_sums"), "credit_notes", type_="check")
    op.create_check_constraint(
        op.f("ck_invoices_sums"), "invoices", "total >= 0 AND amount_due >= 0 AND total = amount_due + credit_applied"
    )
    op.create_check_constraint(
        op.f("ck_credit_notes_sums"), "credit_notes", "total > 0 AND total = refunded + credited"
    )
    op.drop_column("plan_versions", "tax_inclusive")
    op.drop_column("plan_versions", "entitlements")
    op.drop_column("plan_versions", "addons")
    op.drop_column("plan_versions", "fees")
    op.drop_column("plan_versions", "charges")
    op.drop_column("invoices", "memo")
    op.drop_column("invoices", "seller")
    op.drop_column("invoices", "buyer")
    op.drop_column("invoices", "discounts")
    op.drop_column("invoices", "due_at")
    op.drop_column("invoices", "tax")
    op.drop_column("invoices", "net")
    op.drop_column("invoice_lines", "taxes")
    op.drop_column("invoice_lines", "discounts")
    op.drop_column("invoice_lines", "tax_inclusive")
    op.drop_column("invoice_lines", "price")
    op.drop_column("invoice_lines", "code")
    op.drop_column("invoice_lines", "tax")
    op.drop_column("invoice_lines", "net")
    op.drop_column("customers", "net_days")
    op.drop_column("customers", "tax_exempt")
    op.drop_column("customers", "vat_checked_at")
    op.drop_column("customers", "vat_number")
    op.drop_column("customers", "country")
    op.drop_column("customers", "region")
    op.drop_column("customers", "city")
    op.drop_column("customers", "postal_code")
    op.drop_column("customers", "address_line2")
    op.drop_column("customers", "address_line1")
    op.drop_column("customers", "company")
    op.drop_column("customers", "locale")
    op.drop_column("credit_notes", "memo")
    op.drop_column("credit_notes", "seller")
    op.drop_column("credit_notes", "buyer")
    op.drop_column("credit_notes", "tax")
    op.drop_column("credit_notes", "net")
    op.drop_column("coupons", "archived_at")
    op.drop_column("coupons", "expires_at")
    op.drop_column("coupons", "redeemed")
    op.drop_column("coupons", "max_redemptions")
    op.drop_column("coupons", "combinable")
    op.drop_column("coupons", "first_time_only")
    op.drop_column("coupons", "plans")
    op.drop_table("invoice_taxes")
    op.drop_index("ix_corrections_line", table_name="corrections")
    op.drop_index(op.f("ix_corrections_document_id"), table_name="corrections")
    op.drop_table("corrections")
    op.drop_index(op.f("ix_location_evidence_customer_id"), table_name="location_evidence")
    op.drop_table("location_evidence")
    op.drop_table("sellers")
