"""Every activity, with what it needs injected."""

from collections.abc import Callable
from typing import Any

from activities.billing import BillingActivities
from activities.bookkeeping import BookkeepingActivities
from activities.gifts import GiftActivities
from activities.one_off import OneOffActivities
from activities.plan_migrations import PlanMigrationActivities
from activities.reconciliation import ReconciliationActivities
from activities.records import RecordActivities
from perennial.engine.context import Engine
from perennial.observability.gateway import counted


def build_activities(engine: Engine) -> list[Callable[..., Any]]:
    billing = BillingActivities(engine.sessions, counted(engine.gateway), engine.taxes)
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
        ReconciliationActivities(engine).turn_page,
        books.expire_credits,
        books.close_months,
        books.forget_idempotency_keys,
    ]
