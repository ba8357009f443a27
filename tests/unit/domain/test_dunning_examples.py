"""Worked examples of docs/billing-rules/dunning.md about paydays, channels, budgets and cards."""

from datetime import UTC, datetime, timedelta

from perennial.domain.calendar import to_wall
from perennial.domain.cards import due_reminder, expires_at, reminders
from perennial.domain.dunning import CaseMessage, DunningPolicy, FinalAction, HardDecline, Notice, retry_at
from perennial.domain.networks import Attempt, Initiator, PastAttempt, may_attempt

BERLIN = "Europe/Berlin"


def test_ten_attempts_in_a_day() -> None:
    merchant = Attempt("card_a", 2500, "USD", Initiator.MERCHANT)
    customer = Attempt("card_a", 2500, "USD", Initiator.CUSTOMER)
    first = datetime(2026, 6, 1, 9, tzinfo=UTC)
    tries = [PastAttempt(first + timedelta(hours=hour), merchant, original=hour == 0) for hour in range(10)]
    now = first + timedelta(hours=10)
    assert may_attempt("mastercard", merchant, now, tries[1:]).allow
    refused = may_attempt("mastercard", customer, now, tries)
    assert (refused.allow, refused.reason) == (False, "attempts_24h")
    assert refused.again_at == first + timedelta(days=1, seconds=1)
    assert not may_attempt("mastercard", customer, first + timedelta(days=1), tries).allow
    assert may_attempt("mastercard", customer, refused.again_at, tries).allow


def test_paydays_and_the_local_hour() -> None:
    policy = DunningPolicy((2, 4, 12), None, FinalAction.CANCEL, HardDecline.STOP, retry_hour=9, prefer_paydays=True)
    failed = datetime(2026, 6, 10, 15, 30, tzinfo=UTC)

    def day(k: int, code: str) -> tuple[int, int]:
        wall = to_wall(retry_at(policy, failed, BERLIN, k, code), BERLIN)
        return wall.day, wall.hour

    assert [day(k, "insufficient_funds") for k in range(3)] == [(12, 9), (15, 9), (22, 9)]
    assert day(1, "do_not_honor") == (14, 9)


def test_which_channel_at_which_step() -> None:
    failed = CaseMessage.PAYMENT_FAILED
    notices = (Notice(failed, ("email", "sms"), from_step=1), Notice(failed, (), from_step=3))
    policy = DunningPolicy((1, 2, 3), None, FinalAction.CANCEL, HardDecline.STOP, notices=notices)
    told = [policy.channels(failed, step) for step in range(5)]
    assert told == [("email",), ("email", "sms"), ("email", "sms"), (), ()]
    assert policy.channels(CaseMessage.ACCESS_SUSPENDED, 2) == ("email",)


def test_when_a_card_expires() -> None:
    assert expires_at(2026, 6, BERLIN) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert reminders(2026, 6, BERLIN) == (
        (30, datetime(2026, 5, 31, 22, tzinfo=UTC)),
        (7, datetime(2026, 6, 23, 22, tzinfo=UTC)),
    )
    looks = [due_reminder(2026, 6, BERLIN, datetime(2026, 6, day, 3, tzinfo=UTC)) for day in range(25, 31)]
    assert set(looks) == {7}
