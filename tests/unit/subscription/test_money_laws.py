"""What a life costs: exactly the price of the service it had."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.state import SpanKind
from tests.unit.subscription.life import MONTH, WEEK, YEAR, Life, flat, plan, seats
from tests.unit.subscription.limits import LAWS

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
STARTS = st.integers(0, 730 * 86_400).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
INTERVALS = st.sampled_from([MONTH, YEAR, WEEK, Interval(IntervalUnit.DAY, 10)])
PRICES = st.sampled_from(["9.00", "10.01", "19.99", "333.33", "0"])
CHANGES = st.lists(
    st.tuples(st.floats(0.01, 40).map(lambda days: round(days, 3)), INTERVALS, PRICES, st.integers(1, 7)),
    min_size=1,
    max_size=8,
)


@LAWS
@given(STARTS, ZONES, INTERVALS, PRICES, CHANGES)
def test_upgrades_and_downgrades_cost_the_service_time_at_its_price(
    start: datetime,
    timezone: str,
    interval: Interval,
    price: str,
    changes: list[tuple[float, Interval, str, int]],
) -> None:
    """Billed less credited is the price integrated over time, within one minor unit for every rounded line."""
    life = Life(plan("p0", price, interval), start=start, timezone=timezone)
    worth, last = Fraction(0), life.now
    rate = _rate(life)
    for n, (days, new_interval, new_price, quantity) in enumerate(changes):
        due = life.state.period.end
        if life.now + timedelta(days=days) > due:
            # A renewal in between: the old rate ends there.
            worth += _micros(due - last) * rate
            life.advance(due)
            last, rate = due, _rate(life)
        life.advance(min(life.now + timedelta(days=days), life.state.period.end - timedelta(seconds=1)))
        worth += _micros(life.now - last) * rate
        life.send(c.ChangePlan(terms=plan(f"q{n}", interval=new_interval, price=seats(new_price)), quantity=quantity))
        last, rate = life.now, _rate(life)
    worth += _micros(life.state.period.end - last) * rate
    lines = sum(len(document.draft.lines) for document in life.documents.values()) + 2 * len(life.credits)
    assert abs(life.billed - life.credited - worth) <= Fraction(lines, 2) + 1


def _rate(life: Life) -> Fraction:
    """Minor units a microsecond."""
    state = life.state
    return Fraction(state.terms.amount(state.quantity), _micros(state.period.length))


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


@LAWS
@given(STARTS, ZONES, INTERVALS, st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**7)), max_size=6))
def test_a_pause_neither_gives_nor_takes_service_time(
    start: datetime, timezone: str, interval: Interval, pauses: list[tuple[int, int]]
) -> None:
    """Whatever is paused and resumed, each paid period is served to the second as long as it was sold."""
    life = Life(plan(interval=interval), start=start, timezone=timezone)
    for before, length in pauses:
        life.advance(seconds=before)
        billed = life.billed
        life.send(c.PauseSubscription()).advance(seconds=length).send(c.Resume())
        assert life.billed == billed
    life.advance(life.state.period.end)
    served: dict[int, timedelta] = {}
    for span in life.spans.values():
        if span.kind is SpanKind.PAID and span.end:
            served[span.period_no] = served.get(span.period_no, timedelta()) + (span.end - span.start)
    for document in life.documents.values():
        assert served[document.draft.period_no] == document.draft.period.length


@LAWS
@given(ZONES, INTERVALS, st.floats(0, 1), st.sampled_from([c.RefundPolicy.PRORATED, c.RefundPolicy.FULL]))
def test_a_cancellation_gives_back_what_was_promised(
    timezone: str, interval: Interval, share: float, refund: c.RefundPolicy
) -> None:
    life = Life(plan(price=flat("19.99"), interval=interval), timezone=timezone)
    length = life.state.period.length
    life.advance(seconds=int(length.total_seconds() * share))
    renewed = life.state.period_no
    unused = Fraction(_micros(life.state.period.end - life.now), _micros(life.state.period.length)) * 1999
    life.send(c.Cancel(when=c.When.NOW, refund=refund))
    if refund is c.RefundPolicy.FULL:
        assert life.credited == 1999
    else:
        assert abs(life.credited - unused) <= Fraction(1, 2)
    assert life.billed == 1999 * (renewed + 1)
