"""The worked examples of docs/billing-rules, one function for each heading that starts with "Example".

Here and in the files beside this one whose names end in `_examples`.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from perennial.domain.calendar import Interval, IntervalUnit, Period, boundary, period
from perennial.domain.declines import DeclineClass, classify, disclosable
from perennial.domain.dunning import (
    DEFAULT_POLICY,
    DunningPolicy,
    FinalAction,
    HardDecline,
    closes_at,
    grace_ends_at,
    retry_at,
)
from perennial.domain.invoice import (
    CreditedLine,
    InvoiceCredit,
    InvoiceDiscount,
    InvoiceLine,
    InvoiceTax,
    TaxRounding,
    credit_note_totals,
    invoice_totals,
)
from perennial.domain.money import allocate
from perennial.domain.networks import Attempt, Initiator, PastAttempt, may_attempt
from perennial.domain.pricing import (
    Commitment,
    Graduated,
    Package,
    Percentage,
    PerUnit,
    Tier,
    Volume,
    price,
)
from perennial.domain.proration import PlanChange, ProrationBasis, partial_period, plan_change

PAGES = Path(__file__).parents[3] / "docs" / "billing-rules"
D = Decimal
wall = datetime.fromisoformat
DAILY, MONTHLY = Interval(IntervalUnit.DAY), Interval(IntervalUnit.MONTH)
NEW_YORK = "America/New_York"


def test_every_example_is_a_test_and_every_test_an_example() -> None:
    headings = re.findall(
        r"^### Example: (.+)$", "".join(page.read_text() for page in PAGES.glob("*.md")), re.MULTILINE
    )
    named = {"test_" + re.sub(r"\W+", "_", heading.lower()) for heading in headings}
    files = [path.read_text() for path in Path(__file__).parent.glob("test_*_examples.py")]
    here = set(re.findall(r"^def (test_\w+)", "".join(files), re.MULTILINE))
    assert named == here - {"test_every_example_is_a_test_and_every_test_an_example"}
    assert len(headings) == len(named)


# --- README.md -------------------------------------------------------------------------------------------------------


def test_a_whole_is_split() -> None:
    assert allocate(100, [1, 1, 1]) == (34, 33, 33)
    assert allocate(1000, [3, 0, 3, 1]) == (429, 0, 428, 143)


# --- calendar.md -----------------------------------------------------------------------------------------------------


def test_the_31st_comes_back() -> None:
    starts = [boundary(wall("2025-01-31"), MONTHLY, "UTC", k) for k in range(4)]
    assert [f"{start:%d %b}" for start in starts] == ["31 Jan", "28 Feb", "31 Mar", "30 Apr"]


def test_nine_o_clock_stays_nine_o_clock() -> None:
    starts = [boundary(wall("2025-03-01T09:00"), MONTHLY, NEW_YORK, k) for k in range(2)]
    assert starts == [datetime(2025, 3, 1, 14, tzinfo=UTC), datetime(2025, 4, 1, 13, tzinfo=UTC)]


def test_a_time_that_does_not_exist() -> None:
    starts = [boundary(wall("2025-03-08T02:30"), DAILY, NEW_YORK, k) for k in (1, 2)]
    assert starts == [datetime(2025, 3, 9, 7, 30, tzinfo=UTC), datetime(2025, 3, 10, 6, 30, tzinfo=UTC)]


def test_a_time_that_occurs_twice() -> None:
    assert boundary(wall("2025-11-01T01:30"), DAILY, NEW_YORK, 1) == datetime(2025, 11, 2, 5, 30, tzinfo=UTC)


def test_a_day_that_never_was() -> None:
    periods = [period(wall("2011-12-28T09:00"), DAILY, "Pacific/Apia", k) for k in range(5)]
    local = timedelta(hours=-10), timedelta(hours=-10), timedelta(hours=14), timedelta(hours=14), timedelta(hours=14)
    starts = [found.start + offset for found, offset in zip(periods, local, strict=True)]
    assert [f"{start:%d %H}" for start in starts] == ["28 09", "29 09", "31 09", "31 09", "01 09"]
    assert [found.seconds for found in periods] == [86_400, 86_400, 0, 86_400, 86_400]


# --- proration.md ----------------------------------------------------------------------------------------------------


def test_upgrade_half_way() -> None:
    change = _change(1000, 2000, "2025-04-16", ProrationBasis.SECOND, _utc("2025-04-01", "2025-05-01"))
    assert (change, change.net) == (PlanChange(500, 1000), 500)


def test_net_is_the_difference_of_rounded_numbers() -> None:
    change = _change(5000, 10_000, "2025-06-11", ProrationBasis.DAY, _utc("2025-06-01", "2025-07-01"))
    assert (change, change.net) == (PlanChange(3333, 6667), 3334)


def test_the_day_of_a_change_is_a_local_day() -> None:
    june = Period(datetime(2025, 6, 1, 7, tzinfo=UTC), datetime(2025, 7, 1, 7, tzinfo=UTC))
    at = datetime(2025, 6, 16, 5, tzinfo=UTC)
    change = plan_change(4999, 0, at, ProrationBasis.DAY, period=june, timezone="America/Los_Angeles")
    assert change.credit == 2666


def test_a_clock_change_alters_seconds_and_not_days() -> None:
    march = Period(datetime(2025, 3, 1, 5, tzinfo=UTC), datetime(2025, 4, 1, 4, tzinfo=UTC))
    assert march.seconds == 2_674_800
    at = datetime(2025, 3, 9, 7, tzinfo=UTC)
    by_second = plan_change(3100, 6200, at, ProrationBasis.SECOND, period=march, timezone=NEW_YORK)
    by_day = plan_change(3100, 6200, at, ProrationBasis.DAY, period=march, timezone=NEW_YORK)
    assert (by_second, by_day) == (PlanChange(2291, 4581), PlanChange(2300, 4600))


def test_the_stub_is_not_the_whole() -> None:
    change = plan_change(
        30_000,
        45_000,
        datetime(2025, 6, 10, tzinfo=UTC),
        ProrationBasis.DAY,
        period=_utc("2025-05-20", "2025-07-01"),
        full=_utc("2025-04-01", "2025-07-01"),
        timezone="UTC",
    )
    assert (change, change.net) == (PlanChange(6923, 10_385), 3462)


def test_monthly_to_yearly() -> None:
    june = _utc("2025-06-01", "2025-07-01")
    at = datetime(2025, 6, 16, tzinfo=UTC)
    change = plan_change(10_000, 100_000, at, ProrationBasis.SECOND, period=june, timezone="UTC", reset_cycle=True)
    assert change == PlanChange(5000, 100_000)


def test_three_ways_to_count_two_days_of_february() -> None:
    full, service = _utc("2021-02-01", "2021-03-01"), _utc("2021-02-27", "2021-03-01")
    bases = (ProrationBasis.DAY, ProrationBasis.THIRTY_DAY, ProrationBasis.STRICT_30_360)
    amounts = [partial_period(3000, basis, full=full, service=service, timezone="UTC") for basis in bases]
    assert amounts == [214, 200, 400]


def test_a_whole_february_costs_a_month() -> None:
    full = _utc("2021-02-01", "2021-03-01")
    amounts = {basis: partial_period(3000, basis, full=full, service=full, timezone="UTC") for basis in ProrationBasis}
    assert amounts.pop(ProrationBasis.NONE) == 0
    assert set(amounts.values()) == {3000}


# --- pricing.md ------------------------------------------------------------------------------------------------------


def test_graduated_and_volume() -> None:
    tiers = (Tier(D(5), D(7)), Tier(D(10), D("6.5")), Tier(None, D(6)))
    assert price(Graduated(tiers), D(20), "USD") == 12_750
    assert price(Volume(tiers), D(20), "USD") == 12_000


def test_one_rounding() -> None:
    assert price(PerUnit(D("0.0049")), D(1000), "USD") == 490
    tiers = (Tier(D(3), D("0.001")), Tier(D(6), D("0.0015")), Tier(None, D("0.002")))
    assert price(Graduated(tiers), D(9), "USD") == 1


def test_half_a_cent() -> None:
    assert price(PerUnit(D("1.005")), D(1), "USD") == 101
    assert price(PerUnit(D("0.5")), D(1), "JPY") == 1
    assert price(PerUnit(D("0.0005")), D(1), "KWD") == 1


def test_packages() -> None:
    model = Package(D(100), D(5), free_units=D(100))
    assert [price(model, D(quantity), "USD") for quantity in (201, 300)] == [1000, 1000]


def test_percentage_with_allowances() -> None:
    model = Percentage(D("1.2"), fixed_fee=D("0.10"), free_events=3, free_amount=D(500))
    assert price(model, D(450), "USD", [D(200), D(100), D(100), D(50)]) == 70


def test_the_event_that_passes_the_allowance() -> None:
    model = Percentage(D("2.9"), fixed_fee=D("0.30"), free_amount=D(60))
    assert price(model, D("120.5"), "USD", [D(100), D("20.5")]) == 235


def test_commitment() -> None:
    model = Commitment(D(2), D(1000), D("1.5"))
    assert [price(model, D(quantity), "USD") for quantity in (700, 300)] == [160_000, 60_000]
    assert price(Commitment(D(2), D(1000), D("1.5"), true_up=True), D(300), "USD") == 100_000


def test_quantity_zero() -> None:
    tiers = (Tier(None, D(1), flat_fee=D(2)),)
    assert [price(model, D(0), "USD") for model in (Graduated(tiers), Volume(tiers))] == [0, 0]
    assert price(Graduated(tiers, minimum_amount=D("0.50")), D(0), "USD") == 50


# --- invoices.md -----------------------------------------------------------------------------------------------------


def test_the_order_of_work() -> None:
    found = invoice_totals(
        [InvoiceLine("a", 8000), InvoiceLine("b", 2000)],
        discounts=[InvoiceDiscount("line", percent=D(25), line_id="a"), InvoiceDiscount("all", amount=1000)],
        taxes=[InvoiceTax("tax", D("8.25"))],
        tax_rounding=TaxRounding.INVOICE,
        credits_available=[InvoiceCredit("wallet", 500)],
    )
    assert [part.amount for line in found.lines for part in line.discounts] == [2000, 750, 250]
    assert [line.taxable for line in found.lines] == [5250, 1750]
    assert [found.tax, *(line.tax for line in found.lines)] == [578, 434, 144]
    assert (found.total, found.amount_due) == (7578, 7078)


def test_tax_by_line_and_on_the_whole() -> None:
    lines = [InvoiceLine(name, 105) for name in "abcde"]
    taxes = [InvoiceTax("tax", D("8.25"))]
    by_line = invoice_totals(lines, taxes=taxes)
    assert (by_line.tax, {line.tax for line in by_line.lines}) == (45, {9})
    whole = invoice_totals(lines, taxes=taxes, tax_rounding=TaxRounding.INVOICE)
    assert (whole.tax, [line.tax for line in whole.lines]) == (43, [9, 9, 9, 8, 8])


def test_a_discount_larger_than_its_line() -> None:
    found = invoice_totals(
        [InvoiceLine("a", 900), InvoiceLine("b", 4100)],
        discounts=[InvoiceDiscount("line", amount=1500, line_id="a"), InvoiceDiscount("all", percent=D(10))],
    )
    assert [line.discount for line in found.lines] == [900, 410]


def test_an_upgrade_on_one_invoice() -> None:
    lines = [InvoiceLine("new", 15_000), InvoiceLine("old", -5333)]
    found = invoice_totals(lines, taxes=[InvoiceTax("tax", D("8.875"))])
    assert ([line.tax for line in found.lines], found.total) == ([1331, -473], 10_525)
    found = invoice_totals(lines, discounts=[InvoiceDiscount("all", percent=D(10))])
    assert [line.discount for line in found.lines] == [1500, 0]


def test_credits_pay_after_tax() -> None:
    found = invoice_totals(
        [InvoiceLine("a", 9999)],
        discounts=[InvoiceDiscount("all", percent=D(5))],
        taxes=[InvoiceTax("tax", D(21))],
        credits_available=[InvoiceCredit("note", 11_000), InvoiceCredit("wallet", 5000)],
    )
    assert (found.taxable, found.tax, found.total) == (9499, 1995, 11_494)
    assert ([part.amount for part in found.credits_applied], found.amount_due) == ([11_000, 494], 0)


def test_a_credit_note() -> None:
    found = credit_note_totals([CreditedLine("a", 16_000, Fraction(29, 30))], [InvoiceTax("tax", D(25))])
    assert (found.credit, found.tax, found.total) == (15_467, 3867, 19_334)


# --- dunning.md ------------------------------------------------------------------------------------------------------


def test_the_default_policy() -> None:
    failed = datetime(2026, 3, 20, 9, tzinfo=UTC)
    retries = [retry_at(DEFAULT_POLICY, failed, "Europe/Berlin", k) for k in range(4)]
    assert [f"{at:%d %b %H}" for at in retries] == ["21 Mar 09", "23 Mar 09", "27 Mar 09", "03 Apr 08"]
    assert grace_ends_at(DEFAULT_POLICY, failed, "Europe/Berlin") == retries[-1]
    assert closes_at(DEFAULT_POLICY, failed, "Europe/Berlin") == retries[-1]


def test_grace_ends_in_the_middle() -> None:
    policy = DunningPolicy((2, 7, 14, 21), 7, FinalAction.CANCEL, HardDecline.STOP)
    failed = datetime(2026, 6, 1, 6, tzinfo=UTC)
    assert grace_ends_at(policy, failed, "UTC") == failed.replace(day=8)
    assert closes_at(policy, failed, "UTC") == failed.replace(day=22)


def test_grace_outlasts_the_retries() -> None:
    policy = DunningPolicy((1, 3, 5), 14, FinalAction.PAUSE, HardDecline.STOP)
    failed = datetime(2026, 6, 1, 6, tzinfo=UTC)
    assert retry_at(policy, failed, "UTC", 2) == failed.replace(day=6)
    assert closes_at(policy, failed, "UTC") == grace_ends_at(policy, failed, "UTC") == failed.replace(day=15)


def test_a_reason_that_is_not_shown() -> None:
    codes = ("stolen_card", "insufficient_funds", "authentication_required")
    assert [classify(code) for code in codes] == [DeclineClass.HARD, DeclineClass.SOFT, DeclineClass.NEEDS_CUSTOMER]
    assert [disclosable(code) for code in codes[:2]] == [False, True]


def test_twenty_reattempts() -> None:
    now = datetime(2026, 6, 30, 12, tzinfo=UTC)
    attempt = Attempt("card_a", 2500, "USD", Initiator.MERCHANT)
    tries = [PastAttempt(now - timedelta(days=day), attempt) for day in range(1, 21)]
    assert may_attempt("visa", attempt, now, tries[:19]).allow
    assert not may_attempt("visa", attempt, now, tries).allow
    assert may_attempt("visa", attempt, now + timedelta(days=10, seconds=1), tries).allow
    assert may_attempt("visa", Attempt("card_a", 2600, "USD", Initiator.MERCHANT), now, tries).allow


def _utc(start: str, end: str) -> Period:
    return Period(wall(start).replace(tzinfo=UTC), wall(end).replace(tzinfo=UTC))


def _change(old: int, new: int, day: str, basis: ProrationBasis, full: Period) -> PlanChange:
    return plan_change(old, new, wall(day).replace(tzinfo=UTC), basis, period=full, timezone="UTC")
