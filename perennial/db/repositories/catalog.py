"""Plans as the domain sees them."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Plan, PlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import AddOnTerms, DisputePolicy, Fee, PlanTerms, RefundPolicy, UsageCharge
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy
from perennial.domain.money import to_minor
from perennial.domain.pricing import pricing_model
from perennial.domain.proration import ProrationBasis

_POLICY: TypeAdapter[DunningPolicy] = TypeAdapter(DunningPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlanVersion:
    """`prices` maps ISO currencies to pricing models with amounts in major units, as decimal strings.

    `charges`: {code, name, meter, prices}; `fees`: {code, name, amounts}; `addons`: {code, name, prices};
    `entitlements`: see `perennial.domain.entitlements`. Each part is priced in every currency of the plan.
    `dunning_policy` names a policy instead of spelling one out in `dunning`, which then becomes a copy of it.
    """

    code: str
    name: str
    interval: Interval
    prices: dict[str, dict[str, Any]]
    trial_days: int = 0
    trial_needs_card: bool = True
    reminder_days: int | None = None
    proration: ProrationBasis = ProrationBasis.SECOND
    dunning: DunningPolicy = field(default_factory=lambda: DEFAULT_POLICY)
    dunning_policy: str | None = None
    allow_multiple: bool = False
    charges: tuple[dict[str, Any], ...] = ()
    fees: tuple[dict[str, Any], ...] = ()
    addons: tuple[dict[str, Any], ...] = ()
    entitlements: tuple[dict[str, Any], ...] = ()
    tax_inclusive: bool = False
    cancel_refund: RefundPolicy = RefundPolicy.NONE
    refund_to_credit: bool = False
    on_dispute: DisputePolicy = DisputePolicy.FREEZE


def latest(session: Session, code: str) -> PlanVersion | None:
    """The newest version of a plan; archived plans have versions too."""
    statement = select(PlanVersion).where(PlanVersion.plan_code == code).order_by(PlanVersion.version.desc()).limit(1)
    return session.scalar(statement)


def version(session: Session, code: str, number: int) -> PlanVersion | None:
    return session.get(PlanVersion, (code, number))


def terms(row: PlanVersion, currency: str) -> PlanTerms | None:
    """What the version means in one currency; None if it is not sold in it. Every part has a price in each currency."""
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
        charges=tuple(
            UsageCharge(part["code"], part["name"], part["meter"], pricing_model(part["prices"][currency]))
            for part in row.charges
        ),
        fees=tuple(
            Fee(part["code"], part["name"], to_minor(Decimal(part["amounts"][currency]), currency)) for part in row.fees
        ),
        addons=tuple(
            AddOnTerms(part["code"], part["name"], pricing_model(part["prices"][currency])) for part in row.addons
        ),
        tax_inclusive=row.tax_inclusive,
        cancel_refund=RefundPolicy(row.cancel_refund),
        refund_to_credit=row.refund_to_credit,
        on_dispute=DisputePolicy(row.on_dispute),
    )


def add_version(session: Session, new: NewPlanVersion, now: datetime) -> PlanVersion:
    """The next version of the plan, and the plan if it is new. Two at once get different numbers."""
    code = new.code
    session.execute(upsert(Plan).values(code=code, created_at=now).on_conflict_do_nothing())
    session.execute(select(Plan.code).where(Plan.code == code).with_for_update())
    newest = session.scalar(select(func.max(PlanVersion.version)).where(PlanVersion.plan_code == code)) or 0
    return session.execute(
        insert(PlanVersion)
        .values(plan_code=code, version=newest + 1, created_at=now, **_columns(new))
        .returning(PlanVersion)
    ).scalar_one()


def is_newest(session: Session, new: NewPlanVersion) -> bool:
    """Whether the newest version of the plan says just this already."""
    row = latest(session, new.code)
    if row is None:
        return False
    kept, said = _POLICY.validate_python(row.dunning), {**_columns(new)}
    # Who names a policy means whichever version is the newest.
    is_same = kept.code == new.dunning_policy if new.dunning_policy else kept == new.dunning
    del said["dunning"]
    return is_same and all(getattr(row, name) == value for name, value in said.items())


def _columns(new: NewPlanVersion) -> dict[str, Any]:
    return {
        "name": new.name,
        "interval_unit": new.interval.unit.value,
        "interval_count": new.interval.count,
        "prices": new.prices,
        "trial_days": new.trial_days,
        "trial_needs_card": new.trial_needs_card,
        "reminder_days": new.reminder_days,
        "proration": new.proration.value,
        "dunning": _POLICY.dump_python(new.dunning, mode="json"),
        "allow_multiple": new.allow_multiple,
        "charges": list(new.charges),
        "fees": list(new.fees),
        "addons": list(new.addons),
        "entitlements": list(new.entitlements),
        "tax_inclusive": new.tax_inclusive,
        "cancel_refund": new.cancel_refund.value,
        "refund_to_credit": new.refund_to_credit,
        "on_dispute": new.on_dispute.value,
    }
