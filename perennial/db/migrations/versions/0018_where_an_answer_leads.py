"""An answer that is given again leads where the first one led."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("location", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "location")
