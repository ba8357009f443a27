"""What the steps of a subscription's life are called, and what they say."""

from dataclasses import dataclass
from datetime import datetime

from perennial.contracts import activities as tasks
from perennial.domain import keys
from perennial.domain.money import Money
from perennial.domain.subscription.effects import Note, Trigger
from perennial.engine.timeline import in_words

Task = tasks.MoneyTask | tasks.RecordTask

_NAMES = {
    "created": "start",
    "period_began": "renewal",
    "reactivated": "reactivation",
    "paused": "pause",
    "resumed": "resumption",
    "pause_scheduled": "pause at period end",
    "cancellation_scheduled": "cancellation at period end",
    "cancellation_undone": "cancellation undone",
    "canceled": "end",
    "expired": "end",
    "plan_changed": "change of plan",
    "change_scheduled": "change at period end",
    "payment_method_set": "payment method",
    "payment_overdue": "overdue",
    "coupon_applied": "coupon",
    "gift_added": "gift",
    "skip_scheduled": "skip",
    "access_suspended": "end of grace",
    "unpaid": "end of dunning",
    "payment_skipped": "end of dunning",
    "recovered": "recovery",
    "activated": "activation",
    "invoice_credited": "credit note",
    "dunning_policy_set": "dunning policy",
}
_TRIGGERS = {
    Trigger.AUTOMATIC: "with the invoice",
    Trigger.SCHEDULE: "by the dunning schedule",
    Trigger.CUSTOMER: "because somebody asked for it",
    Trigger.PAYMENT_METHOD: "with another payment method",
    Trigger.ARREARS: "its turn among those in arrears",
    Trigger.BACKUP: "with the backup payment method",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a step is called (without its day), what it says, and when it was in domain time (UTC)."""

    name: str
    words: str
    at: datetime


def told(task: Task) -> Told:
    """Named by what was decided; a step that only follows from another is named by what it does."""
    record = task.record
    notes = record.notes if record else ()
    at = notes[0].at if notes else task.as_of
    does = _does(task)
    words = "; ".join([*(in_words(note.kind, note.data) for note in notes), *([does] if does else [])])
    return Told(_name(task, notes), words or "written down", at)


def _name(task: Task, notes: tuple[Note, ...]) -> str:
    """What is decided, unless what is done says more: an attempt has a number, and may be one of several on a day."""
    match task:
        case tasks.CollectTask():
            return f"attempt {task.effect.attempt} at {keys.invoice_id(task.effect.invoice)}"
        case tasks.SettleTask():
            return f"news of {keys.invoice_id(task.effect.invoice)}"
    if notes:
        return _NAMES.get(notes[0].kind, notes[0].kind.replace("_", " "))
    match task:
        case tasks.BillTask():
            return f"invoice {keys.invoice_id(task.effect.draft.key)}"
        case tasks.CloseTask():
            return f"giving up {keys.invoice_id(task.effect.invoice)}"
        case tasks.ReceiveTask():
            return f"payment of {keys.invoice_id(task.effect.invoice)}"
        case tasks.CreditTask():
            return f"credit note {keys.document_id('cn', task.effect.key)}"
        case _:
            return "record"


def _does(task: Task) -> str:
    match task:
        case tasks.BillTask():
            draft = task.effect.draft
            verb = "bill" if task.effect.collect else "issue"
            return f"{verb} {keys.invoice_id(draft.key)} over {Money(draft.total, draft.currency)} as priced"
        case tasks.CollectTask():
            why = _TRIGGERS.get(task.effect.trigger, task.effect.trigger.value)
            return f"attempt {task.effect.attempt} at {keys.invoice_id(task.effect.invoice)}, {why}"
        case tasks.SettleTask():
            return f"ask the gateway about attempt {task.effect.attempt} at {keys.invoice_id(task.effect.invoice)}"
        case tasks.CloseTask():
            return f"{keys.invoice_id(task.effect.invoice)} becomes {task.effect.status}"
        case tasks.ReceiveTask():
            return f"{keys.invoice_id(task.effect.invoice)} was paid past the gateways"
        case tasks.CreditTask():
            return f"credit note {keys.document_id('cn', task.effect.key)}"
        case _:
            return ""
