"""Gifts: paid by one, served to another, or never asked for."""

import pytest
from sqlalchemy import insert

from perennial.db.models import Gift, ServiceSpan
from perennial.domain.subscription.effects import LineKind
from tests.support.ledgers import Office, day, line

CLAIMED, RECIPIENT = "gift_1", "sub_1"


def give(office: Office, status: str, *, periods: int = 1, expires: str = "2028-01-01", paid: bool = True) -> str:
    """A gift of 20.00, bought on 5 January; answers the key of its invoice."""
    office.session.execute(
        insert(Gift).values(
            id=CLAIMED,
            giver_id=office.name,
            recipient_email="grace@example.com",
            recipient_name="Grace",
            message="",
            claim_code="code",
            plan_code="basic",
            plan_version=1,
            quantity=1,
            periods=periods,
            currency="EUR",
            status=status,
            deliver_at=day("2027-01-05"),
            expires_at=day(expires),
            subscription_id=RECIPIENT if status == "claimed" else None,
            created_at=day("2027-01-05"),
            state={"terms": {"interval": {"unit": "month", "count": 1}}},
            step=1,
        )
    )
    return office.issue("2027-01-05", line(2000, "2027-01-05", "2027-01-05", LineKind.GIFT), gift=CLAIMED, paid=paid)


def serve(office: Office, *spans: tuple[str, str, str | None, int]) -> None:
    for kind, start, end, period_no in spans:
        office.session.execute(
            insert(ServiceSpan).values(
                subscription_id=RECIPIENT,
                starts_at=day(start),
                ends_at=day(end) if end else None,
                kind=kind,
                period_no=period_no,
            )
        )


def test_nothing_is_earned_before_the_claim(office: Office) -> None:
    give(office, "delivered")
    assert office.balances() == {"cash:simulator": 2000, "deferred_revenue": -2000}
    assert office.recognise("2027-06") == []


def test_what_nobody_claims_is_breakage_when_it_expires(office: Office) -> None:
    give(office, "expired", expires="2027-03-05")
    office.recognise("2027-02")
    assert office.balances()["deferred_revenue"] == -2000
    [march] = office.recognise("2027-04")
    assert (march.month, march.revenue, march.breakage) == ("2027-03", 0, 2000)
    assert office.balances() == {"cash:simulator": 2000, "breakage": -2000}
    assert office.recognise("2027-12") == []


def test_a_pause_stops_the_earning(office: Office) -> None:
    give(office, "claimed")
    serve(
        office,
        ("prepaid", "2027-01-10", "2027-01-20", 0),
        ("paused", "2027-01-20", "2027-02-03", 0),
        ("prepaid", "2027-02-03", "2027-02-24", 0),
    )
    office.recognise("2027-02")
    assert office.earned() == {"2027-01": 645, "2027-02": 1355}


def test_a_pause_that_is_told_late_counts_from_the_next_month_on(office: Office) -> None:
    """January was closed when nobody knew of the pause; it stays closed, and February is the difference."""
    give(office, "claimed", periods=2)
    serve(office, ("prepaid", "2027-01-01", "2027-02-01", 0), ("prepaid", "2027-02-01", "2027-03-01", 1))
    office.recognise("2027-01")
    office.session.query(ServiceSpan).filter_by(starts_at=day("2027-01-01")).update({"ends_at": day("2027-01-11")})
    office.session.query(ServiceSpan).filter_by(starts_at=day("2027-02-01")).delete()
    serve(office, ("paused", "2027-01-11", None, 0))
    office.recognise("2027-02")
    assert office.earned() == {
        "2027-01": round(2000 * 31 / 59),
        "2027-02": round(2000 * 10 / 59) - round(2000 * 31 / 59),
    }


@pytest.mark.parametrize("after", [("ended", "2027-02-10", None, 0), ("paid", "2027-02-10", "2027-03-10", 1)])
def test_when_its_service_is_over_the_rest_is_earned(office: Office, after: tuple[str, str, str | None, int]) -> None:
    give(office, "claimed")
    serve(office, ("prepaid", "2027-01-20", "2027-02-10", 0), after)
    office.recognise("2027-03")
    assert office.earned() == {"2027-01": round(2000 * 12 / 31), "2027-02": 2000 - round(2000 * 12 / 31)}


def test_periods_given_on_top_are_not_the_gifts(office: Office) -> None:
    give(office, "claimed")
    serve(office, ("prepaid", "2027-01-01", "2027-02-01", 0), ("prepaid", "2027-02-01", "2027-03-01", 1))
    office.recognise("2027-03")
    assert office.earned() == {"2027-01": 2000}


def test_a_gift_that_is_given_back_earns_nothing(office: Office) -> None:
    key = give(office, "canceled")
    office.credit("2027-02-01", key, None)
    assert office.balances() == {"cash:simulator": 2000, "credit:us": -2000}
    assert office.recognise("2027-12") == []


def test_an_unpaid_gift_is_void(office: Office) -> None:
    key = give(office, "payment_failed", paid=False)
    office.give_up("2027-02-06", key, "void")
    assert office.recognise("2027-12") == []
    assert office.balances() == {}
