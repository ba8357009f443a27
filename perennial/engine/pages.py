"""Lists, newest first, a page at a time.

A page is found by where the one before ended, so it stays right while rows are added.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from perennial.db import models
from perennial.domain.errors import InvalidInput
from perennial.engine.context import Engine
from perennial.ports import Page

RowT = TypeVar("RowT", bound=models.Base)

# What each list is ordered by; the id makes the order total.
_MOMENT: dict[type[models.Base], InstrumentedAttribute[datetime]] = {
    models.BatchReset: models.BatchReset.created_at,
    models.CheckoutSession: models.CheckoutSession.created_at,
    models.Customer: models.Customer.created_at,
    models.Coupon: models.Coupon.created_at,
    models.CouponRedemption: models.CouponRedemption.redeemed_at,
    models.CreditGrant: models.CreditGrant.granted_at,
    models.CreditNote: models.CreditNote.issued_at,
    models.Dispute: models.Dispute.opened_at,
    models.Finding: models.Finding.first_seen,
    models.DunningPolicyVersion: models.DunningPolicyVersion.created_at,
    models.Gift: models.Gift.created_at,
    models.Invoice: models.Invoice.issued_at,
    models.LocationEvidence: models.LocationEvidence.recorded_at,
    models.MailboxMessage: models.MailboxMessage.delivered_at,
    models.Meter: models.Meter.created_at,
    models.OneOffInvoice: models.OneOffInvoice.created_at,
    models.OwnTaxRate: models.OwnTaxRate.created_at,
    models.PaymentAttempt: models.PaymentAttempt.started_at,
    models.Plan: models.Plan.created_at,
    models.PlanMigration: models.PlanMigration.created_at,
    models.PlanVersion: models.PlanVersion.created_at,
    models.Subscription: models.Subscription.created_at,
    models.SupportAction: models.SupportAction.at,
    models.TestClock: models.TestClock.created_at,
    models.UsageEvent: models.UsageEvent.at,
}

# Those whose ids count; a version counts within its plan.
_COUNTED = (models.LocationEvidence, models.MailboxMessage, models.PlanVersion, models.SupportAction)
_KEYS = {
    models.Plan: "code",
    models.Coupon: "code",
    models.Meter: "code",
    models.DunningPolicyVersion: "code",
    models.PlanVersion: "version",
}


async def page(
    engine: Engine,
    model: type[RowT],
    *,
    after: str | None = None,
    limit: int = 20,
    filters: Mapping[str, Any] | None = None,
) -> Page[RowT]:
    """Rows whose columns equal `filters` (None values do not filter).

    Raises:
        InvalidInput: if `after` is no cursor of ours.
    """
    return await engine.read(lambda session: load(session, model, after=after, limit=limit, filters=filters or {}))


def load(
    session: Session, model: type[RowT], *, after: str | None, limit: int, filters: Mapping[str, Any]
) -> Page[RowT]:
    moment, key = _MOMENT[model], _key(model)
    statement = select(model).order_by(moment.desc(), key.desc()).limit(limit + 1)
    for column, value in filters.items():
        if value is not None:
            statement = statement.where(getattr(model, column) == value)
    if after:
        statement = statement.where(tuple_(moment, key) < tuple_(*_decode(after, int if model in _COUNTED else str)))
    rows = list(session.scalars(statement))
    more = len(rows) > limit
    rows = rows[:limit]
    last = rows[-1] if more else None
    return Page(tuple(rows), _encode(getattr(last, moment.key), getattr(last, key.key)) if last else None)


def _key(model: type[models.Base]) -> InstrumentedAttribute[Any]:
    attribute: InstrumentedAttribute[Any] = getattr(model, _KEYS.get(model, "id"))
    return attribute


def _encode(moment: datetime, key: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps([moment.isoformat(), key]).encode()).decode()


def _decode(cursor: str, kind: type[str] | type[int]) -> tuple[datetime, str | int]:
    try:
        moment, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if type(key) is kind:
            return datetime.fromisoformat(moment), key
    except (ValueError, TypeError, binascii.Error):
        pass
    message = "is no cursor of ours"
    raise InvalidInput(message, field="after")
