"""The database counts as the domain says: `perennial.domain.usage.aggregate` over the same events."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.orm import Session

from perennial.db.models import Meter as MeterRow
from perennial.db.models import UsageEvent
from perennial.db.repositories import usage
from perennial.domain.calendar import Period
from perennial.domain.usage import Aggregation, Comparison, Event, Filter, Meter, aggregate
from perennial.engine.context import Engine

BEGIN = datetime(2026, 2, 1, tzinfo=UTC)
DAY = Period(BEGIN, BEGIN + timedelta(days=1))
NAMES = count()

# Numbers, and what looks like one: a thirteenth decimal, an exponent, a sign, a digit of another script, blanks.
texts = st.sampled_from(
    (
        *("0", "1", "-1", "2.50", "2.5", "007", "10", "9", "-0.000000000001", "999999999999999999"),
        *("1.0000000000001", "1e3", "+1", "1.", ".5", " 1", "٣", "NaN", ""),
        *("eu", "us", "EU", "true", "é", "'", "\\", "%"),
    )
)
keys = st.sampled_from(["value", "region", "Region"])
moments = st.sampled_from([-1, 0, 1, 2, 3600, 86_399, 86_400]).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
# Ids that a dictionary would sort otherwise than their bytes do.
ids = st.sampled_from(["a", "B", "b", "_", "-", "1", "ab", "Ab", "a.b", "~", "Z"])
events = st.lists(
    st.builds(
        Event,
        id=ids,
        name=st.sampled_from(["call", "Call"]),
        at=moments,
        properties=st.dictionaries(keys, texts, max_size=3),
    ),
    max_size=8,
    unique_by=lambda event: event.id,
)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    comparison = draw(st.sampled_from(list(Comparison)))
    numbers = st.sampled_from(["0", "1", "-1", "2.5", "9", "007"])
    values = {
        Comparison.EXISTS: st.just(()),
        Comparison.IN: st.lists(texts, min_size=1, max_size=3).map(tuple),
    }.get(comparison, st.tuples(numbers if comparison.needs_number else texts))
    return Filter(draw(keys), comparison, draw(values))


@st.composite
def meters(draw: st.DrawFn) -> Meter:
    aggregation = draw(st.sampled_from(list(Aggregation)))
    name = None if aggregation is Aggregation.COUNT else draw(keys)
    chosen = tuple(draw(st.lists(filters(), max_size=2)))
    return Meter(f"law-{next(NAMES)}", "Law", "call", aggregation, name, chosen)


@pytest.fixture(scope="module")
def session(engine: Engine) -> Iterator[Session]:
    """Everything that is written through it is undone."""
    with engine.sessions() as session:
        yield session
        session.rollback()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(meters(), min_size=1, max_size=4), events)
def test_the_database_counts_as_the_domain(session: Session, many: list[Meter], sent: list[Event]) -> None:
    """Several meters and stretches in one question, as bills ask it."""
    subscription = f"sub_law_{next(NAMES)}"
    _write(session, subscription, many, sent)
    half = BEGIN + timedelta(hours=1)
    asked = [(meter, period) for meter in many for period in (DAY, Period(BEGIN, half), Period(half, DAY.end))]
    found = usage.measure(session, subscription, [(meter.code, period) for meter, period in asked])
    said = [aggregate(meter, [e for e in sent if period.start <= e.at < period.end]) for meter, period in asked]
    assert found == said


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(meters(), events)
def test_a_meter_is_kept_as_it_is(session: Session, meter: Meter, sent: list[Event]) -> None:
    """What is read back of it counts in the same way."""
    _write(session, f"sub_law_{next(NAMES)}", [meter], sent)
    assert usage.meter_of(session.get_one(MeterRow, meter.code)) == meter


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 10**17).map(str), max_size=6), st.integers(0, 6))
def test_a_stretch_and_the_rest_of_it_sum_up(session: Session, values: list[str], cut: int) -> None:
    """Nothing is counted on both sides of a boundary or on none."""
    assume(cut <= len(values))
    subscription, meter = f"sub_law_{next(NAMES)}", Meter(f"law-{next(NAMES)}", "Law", "call", Aggregation.SUM, "value")
    sent = [Event(f"e{n}", "call", BEGIN + timedelta(minutes=n), {"value": value}) for n, value in enumerate(values)]
    _write(session, subscription, [meter], sent)
    at = BEGIN + timedelta(minutes=cut)
    parts = [(meter.code, Period(BEGIN, at)), (meter.code, Period(at, DAY.end)), (meter.code, DAY)]
    before, after, whole = usage.measure(session, subscription, parts)
    assert (before, before + after) == (Decimal(sum(map(int, values[:cut]))), whole)


def _write(session: Session, subscription: str, many: list[Meter], sent: list[Event]) -> None:
    rows = [
        {"code": meter.code, "name": meter.name, "event": meter.event, "aggregation": meter.aggregation.value}
        | {"property": meter.property, "created_at": BEGIN}
        | {
            "filters": [
                {"property": each.property, "comparison": each.comparison.value, "values": list(each.values)}
                for each in meter.filters
            ]
        }
        for meter in many
    ]
    session.execute(insert(MeterRow), rows)
    if sent:
        session.execute(insert(UsageEvent), [_row(subscription, event) for event in sent])


def _row(subscription: str, event: Event) -> dict[str, object]:
    """Ids are unique over all subscriptions; the one in front does not change how they sort."""
    return {
        "id": f"{subscription}/{event.id}",
        "customer_id": "cus_law",
        "subscription_id": subscription,
        "name": event.name,
        "at": event.at,
        "properties": dict(event.properties),
        "received_at": BEGIN,
        "late": False,
    }
