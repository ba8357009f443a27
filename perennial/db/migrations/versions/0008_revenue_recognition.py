"""What of each line's revenue has been earned."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What was issued before revenue was deferred has been posted as revenue at once: nothing of it is left to recognise.
POSTED_AT_ONCE = """
INSERT INTO recognitions (invoice_id, line_position, posting, month, account, amount)
SELECT l.invoice_id, l.position, 'issue:' || i.key,
       to_char(CASE i.status WHEN 'void' THEN i.closed_at ELSE i.issued_at END, 'YYYY-MM'), 'revenue',
       CASE i.status WHEN 'void' THEN 0 ELSE l.net - coalesce(sum(c.net), 0) END
FROM invoice_lines l
JOIN invoices i ON i.id = l.invoice_id
LEFT JOIN (corrections c JOIN credit_notes n ON n.id = c.document_id)
  ON c.invoice_id = l.invoice_id AND c.line_position = l.position
WHERE (l.kind = 'gift' OR l.period_end > i.issued_at)
  AND NOT EXISTS (
      SELECT FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
      WHERE t.key = 'issue:' || i.key AND e.account = 'deferred_revenue')
GROUP BY l.invoice_id, l.position, i.id
"""


def upgrade() -> None:
    op.create_table(
        "recognitions",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("line_position", sa.BigInteger(), nullable=False),
        sa.Column("posting", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id", "line_position"],
            ["invoice_lines.invoice_id", "invoice_lines.position"],
            name=op.f("fk_recognitions_invoice_id"),
        ),
        sa.PrimaryKeyConstraint("invoice_id", "line_position", "posting", name=op.f("pk_recognitions")),
    )
    op.create_index("ix_recognitions_posting", "recognitions", ["posting"], unique=False)
    op.execute(POSTED_AT_ONCE)
    op.execute(
        "CREATE TRIGGER recognitions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON recognitions "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_index("ix_recognitions_posting", table_name="recognitions")
    op.drop_table("recognitions")
