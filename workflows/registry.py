"""Every workflow."""

from typing import Any

from workflows.batch_reset import BatchResetWorkflow
from workflows.bookkeeping import BookkeepingWorkflow
from workflows.credit_note import CreditNoteWorkflow
from workflows.gift import GiftWorkflow
from workflows.invoice import InvoiceWorkflow
from workflows.plan_migration import PlanMigrationWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.subscription import SubscriptionWorkflow

WORKFLOWS: tuple[type[Any], ...] = (
    SubscriptionWorkflow,
    GiftWorkflow,
    InvoiceWorkflow,
    CreditNoteWorkflow,
    PlanMigrationWorkflow,
    BatchResetWorkflow,
    BookkeepingWorkflow,
    ReconciliationWorkflow,
)
