"""The books balance: triggers that refuse unbalanced, changed and deleted money; the number series."""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Looks at whole statements: a transaction's entries are written in one, so one that does not sum to nought is refused
# before it can be seen, at the price of one small query a statement.
BALANCED = """
CREATE FUNCTION ledger_refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unbalanced bigint;
BEGIN
    SELECT transaction_id INTO unbalanced FROM written
    GROUP BY transaction_id, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF unbalanced IS NOT NULL THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', unbalanced USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_unbalanced();
"""

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoice_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER plan_versions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plan_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# An issued invoice may be closed once; nothing else of it ever changes.
FINAL_INVOICE = """
CREATE FUNCTION refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status <> 'open'
       OR (to_jsonb(NEW) - 'status' - 'closed_at') <> (to_jsonb(OLD) - 'status' - 'closed_at') THEN
        RAISE EXCEPTION 'invoice % is final', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoices_final BEFORE UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change();
"""


def upgrade() -> None:
    op.execute(BALANCED)
    op.execute(APPEND_ONLY)
    op.execute(FINAL_INVOICE)
    op.execute("INSERT INTO number_series (name, next_number) VALUES ('invoice', 1), ('credit_note', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM number_series")
    op.execute("DROP TRIGGER invoices_final ON invoices")
    for table in ("plan_versions", "invoice_lines", "ledger_transactions", "ledger_entries"):
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.execute("DROP TRIGGER ledger_entries_balance ON ledger_entries")
    for function in ("refuse_invoice_change", "refuse_change", "ledger_refuse_unbalanced"):
        op.execute(f"DROP FUNCTION {function}()")
