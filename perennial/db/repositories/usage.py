"""Usage as the lines of an invoice: counted by the database, each event billed once, late ones with the next invoice.

Whoever adds events of a subscription holds its window for sharing, whoever bills it holds it alone (`usage_windows`).
So every event is either committed before the bill, and in it, or it sees how far has been billed and says that it is
late.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Meter, UsageBilled, UsageEvent, UsageWindow
from perennial.db.repositories.usage_counts import OLDEST_FIRST, VALUE, chosen, measured
from perennial.domain.calendar import Period
from perennial.domain.catalog import UsageCharge
from perennial.domain.pricing import Percentage, price, pricing_data, pricing_model
from perennial.domain.subscription.effects import Line, LineKind
from perennial.domain.subscription.opening import MAX_AMOUNT
from perennial.domain.subscription.state import UsageStretch
from perennial.domain.usage import Aggregation, Comparison, Filter, tidy
from perennial.domain.usage import Meter as MeterTerms

_SUBSCRIPTION = "CAST(:subscription AS text)"
# Each stretch by its own meter, all in one statement.
_MEASURE = text(
    f"""
SELECT {measured(_SUBSCRIPTION, "asked.starts_at", "asked.ends_at")} AS quantity
FROM unnest(CAST(:meters AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
     WITH ORDINALITY AS asked (meter, starts_at, ends_at, n)
JOIN meters m ON m.code = asked.meter
ORDER BY asked.n
"""  # noqa: S608 - put together from our own constants
)
# Oldest first. A value below nought takes something back from a sum; no percentage is taken of it.
_VALUES = text(
    f"""
SELECT e.value
FROM meters m
CROSS JOIN LATERAL (
    SELECT e.at, e.id, CASE WHEN m.property IS NULL THEN 1 ELSE {VALUE} END AS value
    {chosen(_SUBSCRIPTION, ":starts_at", ":ends_at")}
) e
WHERE m.code = :meter AND m.aggregation IN ('count', 'sum') AND e.value >= 0
ORDER BY {OLDEST_FIRST}
"""  # noqa: S608 - put together from our own constants
)


@dataclass(frozen=True, slots=True)
class Rated:
    """A charge for a stretch: what was measured and what it costs, minor units."""

    charge: UsageCharge
    period: Period
    tax_inclusive: bool
    quantity: Decimal
    amount: int


@dataclass(frozen=True, slots=True)
class Late:
    """`more` is what is still to be billed of a stretch, `total` what it comes to with what came late."""

    more: Rated
    total: Rated


def rated(
    session: Session,
    subscription_id: str,
    due: Sequence[UsageStretch],
    currency: str,
    *,
    tax_inclusive: bool,
    with_late: bool = True,
) -> list[Line]:
    """What the stretches `due`, and what came late for earlier ones, would cost now. Nothing is locked or written."""
    found = late(session, subscription_id, currency) if with_late else []
    earlier = [_line(each.more, late=True) for each in found]
    now = stretches(session, subscription_id, due, currency, tax_inclusive=tax_inclusive)
    return _told([*earlier, *map(_line, now)])


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
    if not due and not _has_late(session, subscription_id):
        return []
    lock(session, [subscription_id], alone=True)
    lines = []
    for each in late(session, subscription_id, currency):
        lines.append(_line(each.more, late=True))
        _settle_late(session, subscription_id, each)
    # A stretch that is there already came to nothing, and so did its invoice: what came since is late.
    lines += [
        _line(each)
        for each in stretches(session, subscription_id, due, currency, tax_inclusive=tax_inclusive)
        if _write_billed(session, subscription_id, each, invoice_id)
    ]
    session.execute(
        update(UsageEvent)
        .where(UsageEvent.subscription_id == subscription_id, UsageEvent.late)
        .values(late=False)
        .execution_options(synchronize_session=False)
    )
    if due:
        billed_until = max(stretch.end for stretch in due)
        session.execute(
            update(UsageWindow)
            .where(UsageWindow.subscription_id == subscription_id)
            .values(billed_until=func.greatest(UsageWindow.billed_until, billed_until))
            .execution_options(synchronize_session=False)
        )
    return _told(lines)


def lock(session: Session, subscription_ids: Sequence[str], *, alone: bool) -> None:
    """Hold their windows until the transaction ends: for sharing, or alone. In the order of ids."""
    ids = sorted(set(subscription_ids))
    windows = (
        select(UsageWindow.subscription_id)
        .where(UsageWindow.subscription_id.in_(ids))
        .order_by(UsageWindow.subscription_id)
        .with_for_update(read=not alone)
    )
    missing = set(ids) - set(session.scalars(windows))
    if missing:
        rows = [{"subscription_id": each, "billed_until": None} for each in sorted(missing)]
        session.execute(upsert(UsageWindow).on_conflict_do_nothing(), rows)
        session.execute(windows)


def stretches(
    session: Session,
    subscription_id: str,
    due: Sequence[UsageStretch],
    currency: str,
    *,
    tax_inclusive: bool = False,
) -> list[Rated]:
    """What was measured in each, and what it costs on the terms that were in force.

    `tax_inclusive` is for stretches that do not say whether their prices hold the tax.
    """
    parts = [
        (
            charge,
            Period(stretch.start, stretch.end),
            tax_inclusive if stretch.tax_inclusive is None else stretch.tax_inclusive,
        )
        for stretch in due
        for charge in stretch.charges
    ]
    return _rate(session, subscription_id, parts, currency)


def late(session: Session, subscription_id: str, currency: str) -> list[Late]:
    """Each billed stretch that has late events.

    What was invoiced stays when the measure falls (the last value of a gauge, a correction): less than nothing is not
    billed (`docs/billing-rules/usage.md`).
    """
    moments = select(UsageEvent.at).where(UsageEvent.subscription_id == subscription_id, UsageEvent.late).subquery()
    within = (moments.c.at >= UsageBilled.starts_at, moments.c.at < UsageBilled.ends_at)
    touched = session.scalars(
        select(UsageBilled)
        .where(UsageBilled.subscription_id == subscription_id, select(moments.c.at).where(*within).exists())
        .order_by(UsageBilled.starts_at, UsageBilled.charge_code)
    ).all()
    parts = [
        (
            UsageCharge(row.charge_code, row.name, row.meter, pricing_model(row.price)),
            Period(row.starts_at, row.ends_at),
            row.tax_inclusive,
        )
        for row in touched
    ]
    totals = _rate(session, subscription_id, parts, currency)
    return [
        Late(
            replace(total, quantity=tidy(total.quantity - row.quantity), amount=max(0, total.amount - row.amount)),
            total,
        )
        for row, total in zip(touched, totals, strict=True)
    ]


def meter_of(row: Meter) -> MeterTerms:
    filters = tuple(
        Filter(each["property"], Comparison(each["comparison"]), tuple(each["values"])) for each in row.filters
    )
    return MeterTerms(row.code, row.name, row.event, Aggregation(row.aggregation), row.property, filters)


# --- the parts -------------------------------------------------------------------------------------------------------


def measure(session: Session, subscription_id: str, parts: Sequence[tuple[str, Period]]) -> list[Decimal]:
    """What each meter (its code) says of the events in its period; may be below nought."""
    if not parts:
        return []
    asked = {
        "subscription": subscription_id,
        "meters": [meter for meter, _ in parts],
        "starts": [period.start for _, period in parts],
        "ends": [period.end for _, period in parts],
    }
    return [tidy(quantity) for quantity in session.scalars(_MEASURE, asked)]


def _rate(
    session: Session, subscription_id: str, parts: Sequence[tuple[UsageCharge, Period, bool]], currency: str
) -> list[Rated]:
    quantities = measure(session, subscription_id, [(charge.meter, period) for charge, period, _ in parts])
    found = []
    for (charge, period, inclusive), quantity in zip(parts, quantities, strict=True):
        used = max(quantity, Decimal(0))
        values = _values(session, subscription_id, charge.meter, period) if isinstance(charge.price, Percentage) else ()
        # Beyond that no gateway takes anything, nor any column: a number that somebody mistyped must not stop the bill.
        amount = min(price(charge.price, used, currency, values), MAX_AMOUNT)
        found.append(Rated(charge, period, inclusive, used, amount))
    return found


def _values(session: Session, subscription_id: str, meter: str, period: Period) -> Sequence[Decimal]:
    """Each event's value, oldest first: what a percentage takes its fee and its allowances of."""
    asked = {"subscription": subscription_id, "meter": meter, "starts_at": period.start, "ends_at": period.end}
    return session.scalars(_VALUES, asked).all()


def _line(each: Rated, *, late: bool = False) -> Line:
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
        tax_inclusive=each.tax_inclusive,
    )


def _told(lines: Sequence[Line]) -> list[Line]:
    """Of what came to nothing only a use that was measured is told, such as one below a free allowance."""
    return [line for line in lines if line.amount or (line.quantity and line.price)]


def _has_late(session: Session, subscription_id: str) -> bool:
    found = session.scalar(select(exists().where(UsageEvent.subscription_id == subscription_id, UsageEvent.late)))
    return bool(found)


def _settle_late(session: Session, subscription_id: str, each: Late) -> None:
    session.execute(
        update(UsageBilled)
        .where(
            UsageBilled.subscription_id == subscription_id,
            UsageBilled.charge_code == each.more.charge.code,
            UsageBilled.starts_at == each.more.period.start,
        )
        .values(quantity=each.total.quantity, amount=UsageBilled.amount + each.more.amount)
        .execution_options(synchronize_session=False)
    )


def _write_billed(session: Session, subscription_id: str, each: Rated, invoice_id: str) -> bool:
    """False: it is written already."""
    written = (
        upsert(UsageBilled)
        .values(
            subscription_id=subscription_id,
            charge_code=each.charge.code,
            starts_at=each.period.start,
            ends_at=each.period.end,
            name=each.charge.name,
            meter=each.charge.meter,
            price=pricing_data(each.charge.price),
            quantity=each.quantity,
            amount=each.amount,
            tax_inclusive=each.tax_inclusive,
            invoice_id=invoice_id,
        )
        .on_conflict_do_nothing()
        .returning(UsageBilled.charge_code)
    )
    return session.scalar(written) is not None
