"""Every activity, with what it needs injected."""

from collections.abc import Callable, Sequence
from typing import Any

from activities.batch_resets import BatchResetActivities
from activities.billing import BillingActivities
from activities.bookkeeping import BookkeepingActivities
from activities.credits import RefundActivities
from activities.gifts import GiftActivities
from activities.one_off import OneOffActivities
from activities.plan_migrations import PlanMigrationActivities
from activities.reconciliation import ReconciliationActivities
from activities.records import RecordActivities
from perennial.engine.context import Engine
from perennial.observability.gateway import counted


def build_activities(engine: Engine, workflows: Sequence[type]) -> list[Callable[..., Any]]:
    """`workflows`: the code of today, for what looks at histories with it."""
    billing = BillingActivities(engine.sessions, engine.gateways.each(counted), engine.taxes)
    record = RecordActivities(engine.sessions)
    gift = GiftActivities(engine.sessions)
    books = BookkeepingActivities(engine.sessions)
    one_off = OneOffActivities(engine.sessions, engine.taxes)
    return [
        billing.bill,
        billing.collect,
        billing.settle,
        billing.close,
        billing.credit,
        billing.receive,
        record.record,
        gift.record,
        one_off.issue,
        one_off.record,
        PlanMigrationActivities(engine).turn_page,
        BatchResetActivities(engine, workflows).turn_page,
        ReconciliationActivities(engine).turn_page,
        RefundActivities(engine).look_up_refunds,
        books.expire_credits,
        books.close_months,
        books.forget_idempotency_keys,
        books.remind_of_cards,
    ]


def writers(engine: Engine) -> dict[str, Callable[..., Any]]:
    """Those that write rows of subscriptions, gifts and one-off invoices, by the name that histories have of them.

    After a restore of an older database they are run again with what they were handed (`perennial recover`).
    """
    billing = BillingActivities(engine.sessions, engine.gateways, engine.taxes)
    one_off = OneOffActivities(engine.sessions, engine.taxes)
    return {
        "bill": billing.bill,
        "collect": billing.collect,
        "settle": billing.settle,
        "close": billing.close,
        "credit": billing.credit,
        "receive": billing.receive,
        "record": RecordActivities(engine.sessions).record,
        "record_gift": GiftActivities(engine.sessions).record,
        "issue_one_off": one_off.issue,
        "record_one_off": one_off.record,
    }
