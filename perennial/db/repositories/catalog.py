"""Plans as the domain sees them."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Coupon, Plan, PlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import PlanTerms
from perennial.domain.dunning import DunningPolicy
from perennial.domain.pricing import pricing_model
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.state import Discount

_POLICY: TypeAdapter[DunningPolicy] = TypeAdapter(DunningPolicy)


def latest(session: Session, code: str) -> PlanVersion | None:
    """The newest version of a plan; archived plans have versions too."""
    statement = select(PlanVersion).where(PlanVersion.plan_code == code).order_by(PlanVersion.version.desc()).limit(1)
    return session.scalar(statement)


def version(session: Session, code: str, number: int) -> PlanVersion | None:
    return session.get(PlanVersion, (code, number))


def terms(row: PlanVersion, currency: str) -> PlanTerms | None:
    """What the version means in one currency; None if it is not sold in it."""
    price = row.prices.get(currency)
    if price is None:
        return None
    return PlanTerms(
        code=row.plan_code,
        version=row.version,
        name=row.name,
        interval=Interval(IntervalUnit(row.interval_unit), row.interval_count),
        currency=currency,
        price=pricing_model(price),
        trial_days=row.trial_days,
        trial_needs_card=row.trial_needs_card,
        proration=ProrationBasis(row.proration),
        reminder_days=row.reminder_days,
        dunning=_POLICY.validate_python(row.dunning),
        allow_multiple=row.allow_multiple,
    )


def add_version(
    session: Session,
    *,
    code: str,
    name: str,
    interval: Interval,
    prices: dict[str, dict[str, Any]],
    trial_days: int,
    trial_needs_card: bool,
    reminder_days: int | None,
    proration: ProrationBasis,
    dunning: DunningPolicy,
    allow_multiple: bool,
    now: datetime,
) -> PlanVersion:
    """The next version of `code`, the plan with it if it is new. Two at once get different numbers."""
    session.execute(upsert(Plan).values(code=code, created_at=now).on_conflict_do_nothing())
    session.execute(select(Plan.code).where(Plan.code == code).with_for_update())
    newest = session.scalar(select(func.max(PlanVersion.version)).where(PlanVersion.plan_code == code)) or 0
    for price in prices.values():
        pricing_model(price)
    return session.execute(
        insert(PlanVersion)
        .values(
            plan_code=code,
            version=newest + 1,
            name=name,
            interval_unit=interval.unit.value,
            interval_count=interval.count,
            prices=prices,
            trial_days=trial_days,
            trial_needs_card=trial_needs_card,
            reminder_days=reminder_days,
            proration=proration.value,
            dunning=_POLICY.dump_python(dunning, mode="json"),
            allow_multiple=allow_multiple,
            created_at=now,
        )
        .returning(PlanVersion)
    ).scalar_one()


def discount(session: Session, code: str) -> Discount | None:
    coupon = session.get(Coupon, code)
    if coupon is None:
        return None
    return Discount(coupon.code, coupon.percent_off, coupon.amount_off, coupon.duration_periods)


def coupon_currency(session: Session, code: str) -> str | None:
    """The currency of an amount coupon; None for a percentage."""
    return session.scalar(select(Coupon.currency).where(Coupon.code == code))
