"""Effects as activities: which one, how long it may take, what it is called in the Temporal UI."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.billing import BillingActivities
    from activities.records import RecordActivities
    from perennial.contracts import activities as tasks
    from perennial.domain import keys
    from perennial.domain.money import Money
    from perennial.domain.subscription.effects import (
        Bill,
        CloseInvoice,
        Collect,
        Credit,
        Effect,
        PaymentFact,
        Receive,
        Settle,
    )
    from perennial.domain.subscription.state import State

# An attempt may take this long before another worker makes it again. The gateway's own time-out (10 s) is shorter, so
# only a killed or frozen worker is waited for.
ATTEMPT_TIMEOUT = timedelta(seconds=15)
# Infrastructure time: what fails here is ours or the gateway's, so it is tried for ever and seen in `support stuck`.
# Declines are results and have dunning timers of their own.
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))

Task = TypeVar("Task")
Answer = TypeVar("Answer")


async def execute(activity: Callable[[Any, Task], Answer], task: Task, summary: str) -> Answer:
    """Run it until it has been done; what it answers. `summary` is for the Temporal UI."""
    return await workflow.execute_activity_method(
        activity, task, start_to_close_timeout=ATTEMPT_TIMEOUT, retry_policy=RETRY, summary=summary
    )


async def perform(effect: Effect, state: State, as_of: datetime, record: tasks.Record | None) -> PaymentFact | None:
    """Run one effect; the fact it answers has to be settled by the caller."""
    subject = tasks.Subject(state.customer_id, subscription_id=state.id)
    return await perform_for(subject, effect, as_of, record)


async def perform_for(
    subject: tasks.Subject, effect: Effect, as_of: datetime, record: tasks.Record | None
) -> PaymentFact | None:
    match effect:
        case Bill(draft=draft, collect=collect):
            verb = "bill" if collect else "issue"
            return await execute(
                BillingActivities.bill,
                tasks.BillTask(subject, effect, as_of, record),
                f"{verb} {keys.invoice_id(draft.key)} {Money(draft.total, draft.currency)}",
            )
        case Collect(invoice=invoice, attempt=attempt):
            return await execute(
                BillingActivities.collect,
                tasks.CollectTask(subject, effect, as_of, record),
                f"charge {keys.invoice_id(invoice)} attempt {attempt}",
            )
        case Settle(invoice=invoice, attempt=attempt):
            return await execute(
                BillingActivities.settle,
                tasks.SettleTask(subject, effect, as_of, record),
                f"settle {keys.invoice_id(invoice)} attempt {attempt}",
            )
        case CloseInvoice(invoice=invoice, status=status):
            return await execute(
                BillingActivities.close,
                tasks.CloseTask(subject, effect, as_of, record),
                f"{keys.invoice_id(invoice)} becomes {status}",
            )
        case Receive(invoice=invoice):
            return await execute(
                BillingActivities.receive,
                tasks.ReceiveTask(subject, effect, as_of, record),
                f"{keys.invoice_id(invoice)} was paid outside",
            )
        case Credit(key=key):
            await execute(
                BillingActivities.credit,
                tasks.CreditTask(subject, effect, as_of, record),
                f"credit {keys.document_id('cn', key)}",
            )
            return None


async def write(record: tasks.Record, as_of: datetime) -> None:
    """Write a step down that has no money in it."""
    await execute(
        RecordActivities.record,
        tasks.RecordTask(record, as_of),
        f"record {', '.join(note.kind for note in record.notes) or record.state.status.value}",
    )
