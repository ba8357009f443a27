"""The worked examples of docs/billing-rules/open-points.md; `test_worked_examples.py` holds page and tests together."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perennial.domain.calendar import Interval, IntervalUnit, Period, period
from perennial.domain.declines import DeclineClass, classify
from perennial.domain.invoice import InvoiceDiscount, InvoiceLine, invoice_totals
from perennial.domain.networks import Attempt, Initiator, PastAttempt, may_attempt
from perennial.domain.pricing import Graduated, Percentage, Tier, Volume, price
from perennial.domain.proration import ProrationBasis, partial_period
from perennial.gateways.simulator import signatures
from perennial.ports import InvalidSignature

D = Decimal
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
TIERS = (Tier(D(10), D(1), D(2)), Tier(None, D("0.5"), D(2)))
FEE_AND_RATE = Percentage(rate_percent=D("2.9"), fixed_fee=D("0.30"), free_amount=D(60))
MONTHLY, DAILY = Interval(IntervalUnit.MONTH), Interval(IntervalUnit.DAY)


def _utc(start: str, end: str) -> Period:
    return Period(datetime.fromisoformat(start).replace(tzinfo=UTC), datetime.fromisoformat(end).replace(tzinfo=UTC))


def _worth(basis: ProrationBasis, full: Period, service: Period) -> int:
    return partial_period(3000, basis, full=full, service=service, timezone="UTC", interval=MONTHLY)


def _try(network: str, amount: int, ago: Sequence[timedelta], code: str | None = None) -> bool:
    """Whether one more attempt of `amount` is allowed after attempts of 25.00 so long ago, the last answered `code`."""
    history = [
        PastAttempt(NOW - each, Attempt("card", 2500, "USD", Initiator.MERCHANT), response_code=code if not n else None)
        for n, each in enumerate(ago)
    ]
    return may_attempt(network, Attempt("card", amount, "USD", Initiator.MERCHANT), NOW, history).allow


def test_nothing_used_no_fee() -> None:
    assert price(Graduated(TIERS), D(0), "EUR") == price(Volume(TIERS), D(0), "EUR") == 0


def test_an_allowance_used_up_exactly() -> None:
    assert price(FEE_AND_RATE, D(60), "EUR", [D(60)]) == 0
    assert price(FEE_AND_RATE, D(70), "EUR", [D(60), D(10)]) == 59


def test_a_month_of_thirty_days_is_a_month() -> None:
    february, march = _utc("2026-02-01", "2026-03-01"), _utc("2026-03-01", "2026-04-01")
    assert _worth(ProrationBasis.THIRTY_DAY, february, february) == 3000
    assert _worth(ProrationBasis.THIRTY_DAY, march, march) == 3000
    assert _worth(ProrationBasis.THIRTY_DAY, march, _utc("2026-03-02", "2026-04-01")) == 3000


def test_the_31st_is_the_30th() -> None:
    strict, clamped = ProrationBasis.STRICT_30_360, _utc("2026-01-31", "2026-02-28")
    assert _worth(strict, clamped, clamped) == 3000
    assert _worth(strict, clamped, _utc("2026-02-01", "2026-02-28")) == 2700
    march = _utc("2026-03-01", "2026-04-01")
    on_the_30th = _worth(strict, march, _utc("2026-03-30", "2026-04-01"))
    assert on_the_30th == _worth(strict, march, _utc("2026-03-31", "2026-04-01")) == 100


def test_two_periods_begin_at_once() -> None:
    third, fourth = (period(datetime.fromisoformat("2011-12-28T09:00"), DAILY, "Pacific/Apia", k) for k in (2, 3))
    assert third.start == third.end == fourth.start


def test_a_credit_is_not_discounted() -> None:
    lines = [InvoiceLine("charge", 10000), InvoiceLine("credit", -4000)]
    totals = invoice_totals(lines, discounts=[InvoiceDiscount("ten", percent=D(10))])
    assert ([line.discount for line in totals.lines], totals.total) == ([1000, 0], 5000)


def test_an_attempt_on_the_edge() -> None:
    recent = [timedelta(days=n) for n in range(1, 20)]
    assert not _try("visa", 2500, [*recent, timedelta(days=30)])
    assert _try("visa", 2500, [*recent, timedelta(days=30, seconds=1)])


def test_another_amount_has_its_own_day() -> None:
    today = [timedelta(hours=n) for n in range(10)]
    assert (_try("mastercard", 2500, today), _try("mastercard", 2600, today)) == (False, True)


def test_an_approval_sets_nothing_back() -> None:
    assert not _try("mastercard", 2500, [timedelta(hours=n) for n in range(10)], code="00")


def test_declines_that_say_nothing() -> None:
    assert classify("do_not_honor") is classify("generic_decline") is DeclineClass.SOFT


def test_a_webhook_of_five_minutes_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Clock":
            return cls.fromtimestamp(NOW.timestamp(), UTC)

    monkeypatch.setattr(signatures, "datetime", Clock)

    def verify(ago: int) -> None:
        sent = signatures.sign("secret", b"{}", NOW - timedelta(seconds=ago))
        signatures.verify("secret", b"{}", {signatures.HEADER: sent})

    verify(300)
    with pytest.raises(InvalidSignature):
        verify(301)
