"""Usage as the lines of an invoice: counted by the database, each event billed once, late ones with the next invoice.

Whoever adds events of a subscription holds its window for sharing, whoever bills it holds it alone (`usage_windows`).
So every event is either committed before the bill, and in it, or it sees how far has been billed and says that it is
late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    distinct,
    false,
    func,
    literal,
    null,
    select,
    update,
)
from sqlalchemy import Numeric as NumericType
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Meter, UsageBilled, UsageEvent, UsageWindow
from perennial.domain.calendar import Period
from perennial.domain.catalog import UsageCharge
from perennial.domain.pricing import Percentage, PricingModel, price, pricing_data, pricing_model
from perennial.domain.subscription.effects import Line, LineKind
from perennial.domain.subscription.state import UsageStretch
from perennial.domain.usage import Aggregation, Comparison, Filter
from perennial.domain.usage import Meter as MeterTerms

_NUMBER = r"^-?\d{1,18}(\.\d{1,12})?$"


@dataclass(frozen=True, slots=True)
class Rated:
    """A charge for a stretch: what was measured and what it costs, minor units."""

    charge: UsageCharge
    period: Period
    quantity: Decimal
    amount: int


def rated(
    session: Session, subscription_id: str, due: Sequence[UsageStretch], currency: str, *, tax_inclusive: bool
) -> list[Line]:
    """What the stretches `due`, and what came late for earlier ones, would cost now. Nothing is locked or written."""
    earlier = _late(session, subscription_id, currency)
    late = [_line(each, tax_inclusive=tax_inclusive, late=True) for each, _ in earlier]
    now = [_line(each, tax_inclusive=tax_inclusive) for each in stretches(session, subscription_id, due, currency)]
    return [line for line in (*late, *now) if line.amount]


def bill(
    session: Session,
    subscription_id: str,
    due: Sequence[UsageStretch],
    currency: str,
    *,
    tax_inclusive: bool,
    invoice_id: str,
) -> list[Line]:
    """The same, for good: what is billed here is never billed again, and what comes later is late."""
    lock(session, [subscription_id], alone=True)
    lines = []
    for each, total in _late(session, subscription_id, currency):
        lines.append(_line(each, tax_inclusive=tax_inclusive, late=True))
        _settle_late(session, subscription_id, each, total)
    for each in stretches(session, subscription_id, due, currency):
        lines.append(_line(each, tax_inclusive=tax_inclusive))
        _write_billed(session, subscription_id, each, invoice_id)
    session.execute(
        update(UsageEvent)
        .where(UsageEvent.subscription_id == subscription_id, UsageEvent.late)
        .values(late=False)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(UsageWindow)
        .where(UsageWindow.subscription_id == subscription_id)
        .values(billed_until=max(stretch.end for stretch in due))
        .execution_options(synchronize_session=False)
    )
    return [line for line in lines if line.amount]


def lock(session: Session, subscription_ids: Sequence[str], *, alone: bool) -> dict[str, datetime | None]:
    """How far each has been billed, held until the transaction ends: for sharing, or alone. In the order of ids."""
    ids = sorted(set(subscription_ids))
    if not ids:
        return {}
    rows = [{"subscription_id": each, "billed_until": None} for each in ids]
    session.execute(upsert(UsageWindow).on_conflict_do_nothing(), rows)
    windows = (
        select(UsageWindow.subscription_id, UsageWindow.billed_until)
        .where(UsageWindow.subscription_id.in_(ids))
        .order_by(UsageWindow.subscription_id)
        .with_for_update(read=not alone)
    )
    return {row.subscription_id: row.billed_until for row in session.execute(windows)}


def measure(session: Session, subscription_id: str, meter: MeterTerms, period: Period) -> Decimal:
    """What the meter says of the events in the period; the law is `perennial.domain.usage.aggregate`."""
    found = session.execute(_measured(subscription_id, meter, period)).scalar()
    return Decimal(found or 0)


def meters(session: Session, codes: Sequence[str]) -> dict[str, MeterTerms]:
    rows = session.scalars(select(Meter).where(Meter.code.in_(codes)))
    return {row.code: meter_of(row) for row in rows}


def meter_of(row: Meter) -> MeterTerms:
    filters = tuple(
        Filter(each["property"], Comparison(each["comparison"]), tuple(each["values"])) for each in row.filters
    )
    return MeterTerms(row.code, row.name, row.event, Aggregation(row.aggregation), row.property, filters)


# --- counting --------------------------------------------------------------------------------------------------------


def _chosen(subscription_id: str, meter: MeterTerms, period: Period) -> ColumnElement[bool]:
    conditions = [
        UsageEvent.subscription_id == subscription_id,
        UsageEvent.at >= period.start,
        UsageEvent.at < period.end,
        UsageEvent.name == meter.event,
        *(passes(each) for each in meter.filters),
    ]
    if meter.property is not None:
        value = UsageEvent.properties[meter.property].astext
        conditions.append((_number(value) if meter.aggregation.needs_number else value).is_not(None))
    return and_(*conditions)


def _number(value: ColumnElement[str]) -> ColumnElement[Decimal]:
    """The text as a number; null if it is none, as in events that came before there was a meter to refuse them."""
    return case((value.op("~")(_NUMBER), cast(value, NumericType)), else_=null())


def _measured(subscription_id: str, meter: MeterTerms, period: Period) -> Select[Any]:
    # A CASE keeps texts from being cast that are no numbers: the parts of an AND may be looked at in any order.
    chosen = _chosen(subscription_id, meter, period)
    if meter.property is None:
        return select(func.count()).select_from(UsageEvent).where(chosen)
    value = UsageEvent.properties[meter.property].astext
    match meter.aggregation:
        case Aggregation.UNIQUE:
            return select(func.count(distinct(value))).where(chosen)
        case Aggregation.SUM:
            return select(func.sum(_number(value))).where(chosen)
        case Aggregation.MAX:
            return select(func.max(_number(value))).where(chosen)
        case _:
            newest = (UsageEvent.at.desc(), UsageEvent.id.desc())
            return select(_number(value)).where(chosen).order_by(*newest).limit(1)


def passes(condition: Filter) -> ColumnElement[bool]:
    """The filter in SQL; see `Filter.passes`."""
    value: ColumnElement[str] = UsageEvent.properties[condition.property].astext
    match condition.comparison:
        case Comparison.EXISTS:
            return value.is_not(None)
        case Comparison.NE:
            return value.is_distinct_from(condition.values[0])
        case Comparison.EQ | Comparison.IN:
            return value.in_(condition.values)
    number = _number(value)
    bound = literal(Decimal(condition.values[0]), NumericType)
    compared: ColumnElement[bool] = {
        Comparison.GT: number > bound,
        Comparison.GTE: number >= bound,
        Comparison.LT: number < bound,
        Comparison.LTE: number <= bound,
    }[condition.comparison]
    return func.coalesce(compared, false())


def _amounts(session: Session, subscription_id: str, meter: MeterTerms, period: Period) -> list[Decimal]:
    """Each event's value, oldest first: what a percentage takes its fee and its allowances of."""
    value: ColumnElement[Decimal] = literal(Decimal(1))
    if meter.property is not None:
        value = _number(UsageEvent.properties[meter.property].astext)
    statement = select(value).where(_chosen(subscription_id, meter, period)).order_by(UsageEvent.at, UsageEvent.id)
    return [Decimal(each) for each in session.scalars(statement)]


# --- pricing ---------------------------------------------------------------------------------------------------------


def stretches(session: Session, subscription_id: str, due: Sequence[UsageStretch], currency: str) -> list[Rated]:
    """What was measured in each, and what it costs on the terms that were in force."""
    known = meters(session, [charge.meter for stretch in due for charge in stretch.charges])
    return [
        _rate(session, subscription_id, charge, known[charge.meter], Period(stretch.start, stretch.end), currency)
        for stretch in due
        for charge in stretch.charges
    ]


def _rate(
    session: Session, subscription_id: str, charge: UsageCharge, meter: MeterTerms, period: Period, currency: str
) -> Rated:
    quantity = measure(session, subscription_id, meter, period)
    events: Sequence[Decimal] = ()
    if isinstance(charge.price, Percentage):
        events = _amounts(session, subscription_id, meter, period)
    return Rated(charge, period, quantity, price(charge.price, quantity, currency, events))


def _line(each: Rated, *, tax_inclusive: bool, late: bool = False) -> Line:
    name = f"{each.charge.name}, late usage" if late else each.charge.name
    return Line(
        LineKind.USAGE,
        name,
        each.quantity,
        each.amount,
        each.period,
        code=each.charge.code,
        # A difference has no tiers of its own.
        price=None if late else each.charge.price,
        tax_inclusive=tax_inclusive,
    )


# --- what came late --------------------------------------------------------------------------------------------------


def _late(session: Session, subscription_id: str, currency: str) -> list[tuple[Rated, Rated]]:
    """For each billed stretch that has late events: what is still to be billed of it, and what it comes to now.

    A correction downwards (the last value of a gauge) is not billed: what was invoiced stays (`docs/billing-rules/
    usage.md`).
    """
    moments = select(UsageEvent.at).where(UsageEvent.subscription_id == subscription_id, UsageEvent.late).subquery()
    touched = session.scalars(
        select(UsageBilled)
        .where(
            UsageBilled.subscription_id == subscription_id,
            select(moments.c.at)
            .where(moments.c.at >= UsageBilled.starts_at, moments.c.at < UsageBilled.ends_at)
            .exists(),
        )
        .order_by(UsageBilled.starts_at, UsageBilled.charge_code)
    ).all()
    known = meters(session, [row.meter for row in touched])
    found = []
    for row in touched:
        model: PricingModel = pricing_model(row.price)
        charge = UsageCharge(row.charge_code, row.name, row.meter, model)
        period = Period(row.starts_at, row.ends_at)
        total = _rate(session, subscription_id, charge, known[row.meter], period, currency)
        more = Rated(charge, period, total.quantity - row.quantity, max(0, total.amount - row.amount))
        found.append((more, total))
    return found


def _settle_late(session: Session, subscription_id: str, more: Rated, total: Rated) -> None:
    session.execute(
        update(UsageBilled)
        .where(
            UsageBilled.subscription_id == subscription_id,
            UsageBilled.charge_code == more.charge.code,
            UsageBilled.starts_at == more.period.start,
        )
        .values(quantity=total.quantity, amount=UsageBilled.amount + more.amount)
        .execution_options(synchronize_session=False)
    )


def _write_billed(session: Session, subscription_id: str, each: Rated, invoice_id: str) -> None:
    session.execute(
        upsert(UsageBilled).values(
            subscription_id=subscription_id,
            charge_code=each.charge.code,
            starts_at=each.period.start,
            ends_at=each.period.end,
            name=each.charge.name,
            meter=each.charge.meter,
            price=pricing_data(each.charge.price),
            quantity=each.quantity,
            amount=each.amount,
            invoice_id=invoice_id,
        )
    )
