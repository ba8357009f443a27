"""Real documents, real postings: what each month earns of them."""

import pytest

from perennial.domain.errors import InvalidInput
from perennial.domain.subscription.effects import LineKind
from tests.support.ledgers import VAT, Office, day, line


def test_a_quarter_is_earned_month_by_month_and_once(office: Office) -> None:
    office.rates = (VAT,)
    office.issue("2027-01-01", line(9000, "2027-01-01", "2027-04-01"))
    assert office.balances() == {"cash:simulator": 10800, "deferred_revenue": -9000, "tax_payable:DE": -1800}
    office.recognise("2027-02")
    assert office.earned() == {"2027-01": 3100, "2027-02": 2800}
    assert office.recognise("2027-02") == []
    [march] = office.recognise("2027-06")
    assert (march.month, march.revenue, march.lines) == ("2027-03", 3100, 1)
    assert office.balances() == {"cash:simulator": 10800, "revenue": -9000, "tax_payable:DE": -1800}
    assert office.recognise("2027-12") == []


def test_an_earlier_month_leaves_the_later_ones_alone(office: Office) -> None:
    office.issue("2027-01-01", line(9000, "2027-01-01", "2027-05-01"))
    office.recognise("2027-03")
    assert office.recognise("2027-01") == []


def test_a_month_that_is_not_over_is_refused(office: Office) -> None:
    office.seller("America/New_York")
    with pytest.raises(InvalidInput, match="2027-03 is not over yet in America/New_York"):
        office.recognise("2027-03", day("2027-04-01 03:59"))
    assert office.recognise("2027-03", day("2027-04-01 04:00")) == []


def test_months_are_those_of_the_seller(office: Office) -> None:
    office.seller("Pacific/Auckland")
    office.issue("2027-01-31 12:00", line(2800, "2027-01-31 12:00", "2027-02-28 12:00"))
    office.recognise("2027-03")
    assert office.earned() == {"2027-02": 2800}


def test_a_late_invoice_catches_up_in_its_month(office: Office) -> None:
    office.issue("2027-02-10", line(5900, "2027-01-01", "2027-03-01"))
    office.recognise("2027-03")
    assert office.earned() == {"2027-02": 5900}


def test_service_that_is_over_is_revenue_at_once(office: Office) -> None:
    office.issue("2027-02-01", line(700, "2027-01-01", "2027-02-01", LineKind.USAGE))
    assert office.balances() == {"cash:simulator": 700, "revenue": -700}
    assert office.recognise("2027-06") == []


def test_an_upgrade_earns_the_difference_from_its_day_on(office: Office) -> None:
    old = office.issue("2027-04-01", line(3000, "2027-04-01", "2027-05-01"))
    office.issue(
        "2027-04-16",
        line(-1500, "2027-04-16", "2027-05-01", LineKind.PRORATION_CREDIT, corrects=(old,)),
        line(4500, "2027-04-16", "2027-05-01", LineKind.PRORATION_DEBIT),
    )
    office.recognise("2027-04")
    assert office.earned() == {"2027-04": 6000}
    assert "deferred_revenue" not in office.balances()


def test_a_void_takes_back_what_was_recognised_in_its_own_month(office: Office) -> None:
    key = office.issue("2027-01-01", line(9000, "2027-01-01", "2027-04-01"), paid=False)
    office.recognise("2027-01")
    office.give_up("2027-03-05", key, "void")
    office.recognise("2027-03")
    assert office.earned() == {"2027-01": 3100, "2027-02": 2800, "2027-03": -5900}
    assert office.balances() == {}


def test_the_months_are_the_same_whenever_they_are_recognised(office: Office) -> None:
    key = office.issue("2027-01-01", line(9000, "2027-01-01", "2027-04-01"), paid=False)
    office.give_up("2027-03-05", key, "void")
    office.recognise("2027-06")
    assert office.earned() == {"2027-01": 3100, "2027-02": 2800, "2027-03": -5900}


def test_a_loss_is_still_earned(office: Office) -> None:
    key = office.issue("2027-01-01", line(9000, "2027-01-01", "2027-04-01"), paid=False)
    office.give_up("2027-02-01", key, "uncollectible")
    office.recognise("2027-03")
    assert office.balances() == {"bad_debt": 9000, "revenue": -9000}


def test_a_credit_note_for_the_rest_ends_the_earning(office: Office) -> None:
    key = office.issue("2027-01-01", line(36500, "2027-01-01", "2028-01-01"))
    office.credit("2027-03-02", key, 30500)
    office.recognise("2027-12")
    assert office.earned() == {"2027-01": 3100, "2027-02": 2800, "2027-03": 100}
    assert "deferred_revenue" not in office.balances()


def test_a_credit_note_for_half_of_the_rest_halves_it(office: Office) -> None:
    key = office.issue("2027-04-01", line(6000, "2027-04-01", "2027-05-31"))
    office.credit("2027-05-01", key, 1500)
    office.recognise("2027-05")
    assert office.earned() == {"2027-04": 3000, "2027-05": 1500}


def test_a_credit_note_beyond_the_rest_takes_back_revenue_at_once(office: Office) -> None:
    key = office.issue("2027-04-01", line(6000, "2027-04-01", "2027-05-31"))
    office.recognise("2027-04")
    office.credit("2027-05-16", key, None)
    office.recognise("2027-05")
    assert office.earned() == {"2027-04": 3000, "2027-05": -3000}
    assert office.balances() == {"cash:simulator": 6000, "credit:us": -6000}


def test_what_a_credit_line_took_is_not_taken_twice(office: Office) -> None:
    """The upgrade took the 15 unearned days; the credit note for the other half takes back what was earned."""
    old = office.issue("2027-04-01", line(3000, "2027-04-01", "2027-05-01"))
    office.issue(
        "2027-04-16",
        line(-1500, "2027-04-16", "2027-05-01", LineKind.PRORATION_CREDIT, corrects=(old,)),
        line(4500, "2027-04-16", "2027-05-01", LineKind.PRORATION_DEBIT),
    )
    office.credit("2027-04-20", old, None)
    office.recognise("2027-05")
    assert office.earned() == {"2027-04": 4500}
    assert "deferred_revenue" not in office.balances()


def test_a_credit_note_that_comes_late_into_a_recognised_month_is_caught_up_there(office: Office) -> None:
    key = office.issue("2027-04-01", line(6000, "2027-04-01", "2027-05-31"))
    office.recognise("2027-04")
    office.credit("2027-04-16", key, 4500)
    [april] = office.recognise("2027-05")
    assert (april.month, april.revenue) == ("2027-04", -1500)
    assert office.earned() == {"2027-04": 1500}
    assert "deferred_revenue" not in office.balances()


def test_what_is_undone_later_was_earned_before_and_is_told_so_whenever_it_is_recognised(office: Office) -> None:
    """The note leaves what January had earned: February earned more, and March took it back."""
    key = office.issue("2027-01-01", line(9000, "2027-01-01", "2027-04-01"))
    office.recognise("2027-01")
    office.credit("2027-03-01", key, 5900)
    office.recognise("2027-06")
    assert office.earned() == {"2027-01": 3100, "2027-02": 2800, "2027-03": -2800}
    office.credit("2027-05-01", office.issue("2027-05-01", line(3100, "2027-06-01", "2027-07-01")), None)
    assert office.recognise("2027-07") == []


def test_currencies_stand_apart(office: Office) -> None:
    office.issue("2027-01-01", line(59, "2027-01-01", "2027-03-01"), currency="JPY")
    office.issue("2027-01-01", line(5900, "2027-01-01", "2027-03-01"), currency="KWD")
    assert [(each.month, each.currency, each.revenue) for each in office.recognise("2027-02")] == [
        ("2027-01", "JPY", 31),
        ("2027-01", "KWD", 3100),
        ("2027-02", "JPY", 28),
        ("2027-02", "KWD", 2800),
    ]
