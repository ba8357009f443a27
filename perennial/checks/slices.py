"""Where a slice of so many subjects ends: the id that many rows further on, or none when fewer are left."""

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from perennial.checks.result import Slice


def _cut(relation: str) -> TextClause:
    return text(
        f"SELECT id FROM {relation} AS of WHERE (:after IS NULL OR id > :after) ORDER BY id OFFSET :size - 1 LIMIT 1"  # noqa: S608 - our own
    )


TRANSACTIONS = _cut("ledger_transactions")
CUSTOMERS = _cut("customers")
SUBSCRIPTIONS = _cut("subscriptions")
INVOICES = _cut("invoices")
DOCUMENTS = _cut("(SELECT id FROM invoices UNION ALL SELECT id FROM credit_notes)")
# Everything that has a workflow of its own; of what is over only the id is passed by.
RUNNING = _cut(
    "(SELECT id FROM subscriptions UNION ALL SELECT id FROM gifts UNION ALL SELECT id FROM plan_migrations "
    "UNION ALL SELECT id FROM invoice_drafts)"
)


def slice_after(session: Session, cut: TextClause | None, after: str | None, size: int) -> Slice:
    """The next slice; the last one is open, so that what no row of these names is looked at too."""
    if cut is None:
        return Slice(after)
    end = session.scalar(cut, {"after": after, "size": size})
    return Slice(after, None if end is None else str(end))
