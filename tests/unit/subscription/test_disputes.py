"""What a disputed charge does to a subscription, as dated stories; `walks.py` mixes disputes into everything else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.catalog import DisputePolicy, RefundPolicy, UsageCharge
from perennial.domain.disputes import DisputeStatus, given_twice
from perennial.domain.dunning import FinalAction
from perennial.domain.subscription import commands as c
from perennial.domain.subscription import decide, next_due
from perennial.domain.subscription.state import SpanKind, Status
from tests.unit.subscription.life import Life, flat, plan, policy, script

OPEN, WON, LOST = DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST
DECLINED = "insufficient_funds"


def told(life: Life, news: DisputeStatus, dispute: str = "dp_1", invoice: str | None = None) -> Life:
    """The gateway speaks about a charge, that of the last invoice unless another is named."""
    invoice = invoice or list(life.documents)[-1]
    return life.send(c.DisputeEvent(invoice=invoice, dispute=dispute, status=news)).advance(days=0)


def lives(on_dispute: DisputePolicy, **more: object) -> Life:
    return Life(plan(on_dispute=on_dispute, **more))


def status(life: Life) -> Status:
    return life.state.status


def test_freezing_is_the_default_and_stops_service_and_renewals() -> None:
    life = told(Life().advance(days=10), OPEN)
    assert (life.state.status, life.state.is_frozen) == (Status.PAUSED, True)
    assert life.state.span.kind is SpanKind.PAUSED
    life.advance(days=200)
    assert len(life.documents) == 1
    assert life.kinds[-2:] == ["dispute_opened", "frozen"]


def test_a_dispute_that_is_won_gives_the_rest_of_the_period_back_as_time() -> None:
    life = Life().advance(days=10)
    end = life.state.period.end
    told(told(life, OPEN).advance(days=40), WON)
    assert status(life) is Status.ACTIVE
    assert life.state.period.end == end + timedelta(days=40)
    assert life.kinds[-2:] == ["dispute_won", "unfrozen"]
    life.advance(days=30)
    assert life.totals() == [1000, 1000]


def test_a_dispute_that_is_lost_ends_it_without_a_refund() -> None:
    life = Life(plan(cancel_refund=RefundPolicy.FULL)).advance(days=10)
    told(told(life, OPEN).advance(days=40), LOST)
    assert (life.state.status, life.state.end_reason, life.credited) == (Status.CANCELED, "disputed", 0)


def test_cancel_ends_it_at_once_and_winning_brings_nothing_back() -> None:
    life = told(lives(DisputePolicy.CANCEL), OPEN)
    assert (life.state.status, life.credited) == (Status.CANCELED, 0)
    assert told(life, WON).state.status == Status.CANCELED


def test_keep_goes_on_whatever_the_bank_decides() -> None:
    for decided in (WON, LOST):
        life = told(lives(DisputePolicy.KEEP), OPEN).advance(days=31)
        told(life, decided, invoice=next(iter(life.documents))).advance(days=31)
        assert (life.state.status, life.totals()) == (Status.ACTIVE, [1000] * 3)


def test_whatever_order_they_come_in_won_is_won() -> None:
    for order in set(permutations([OPEN, OPEN, WON])):
        life = Life()
        for each in order:
            told(life, each)
        assert (life.state.status, life.state.pause) == (Status.ACTIVE, None), order


@pytest.mark.parametrize("decided", [WON, LOST])
def test_the_first_decision_stands(decided: DisputeStatus) -> None:
    life = told(Life(), OPEN)
    told(life, decided)
    before = life.state.status
    for later in (WON, LOST, OPEN):
        told(life, later)
        assert life.state.status is before


def test_two_disputes_freeze_until_both_are_won() -> None:
    life = told(told(Life(), OPEN, "dp_1"), OPEN, "dp_2")
    assert told(life, WON, "dp_1").state.status == Status.PAUSED
    assert told(life, WON, "dp_2").state.status == Status.ACTIVE


def test_the_customer_cannot_lift_the_freeze() -> None:
    life = told(Life(), OPEN)
    assert life.refused(c.Resume()) == "subscription_disputed"
    told(life, WON)
    assert life.refused(c.Resume()) == "not_paused"


def test_a_pause_of_their_own_outlasts_the_freeze() -> None:
    life = Life().send(c.PauseSubscription())
    told(told(life, OPEN).advance(days=5), WON)
    assert status(life) is Status.PAUSED
    life.send(c.Resume())
    assert status(life) is Status.ACTIVE


def test_a_pause_that_would_have_ended_ends_with_the_freeze() -> None:
    life = Life()
    life.send(c.PauseSubscription(until=life.now + timedelta(days=3)))
    end = life.state.period.end
    told(life, OPEN).advance(days=10)
    assert status(life) is Status.PAUSED
    told(life, WON)
    assert (life.state.status, life.state.period.end) == (Status.ACTIVE, end + timedelta(days=10))


def test_a_cancellation_takes_place_on_its_day_although_it_is_frozen() -> None:
    life = Life().send(c.Cancel())
    end = life.state.period.end
    told(life, OPEN).advance(days=60)
    assert (life.state.status, life.state.ended_at) == (Status.CANCELED, end)


def test_a_cancellation_moves_with_the_period_when_the_freeze_is_lifted_first() -> None:
    life = Life().send(c.Cancel())
    told(told(life, OPEN).advance(days=4), WON)
    assert life.state.cancellation is not None
    assert life.state.cancellation.at == life.state.period.end


def test_a_case_of_dunning_stands_still() -> None:
    life = Life(gateway=script(None, *[DECLINED] * 2)).advance(days=28.5)
    assert status(life) is Status.PAST_DUE
    told(life, OPEN, invoice=next(iter(life.documents))).advance(days=100)
    made = len(list(life.documents.values())[-1].attempts)
    told(life, WON)
    assert status(life) is Status.PAST_DUE
    life.advance(days=20)
    assert status(life) is Status.ACTIVE
    assert len(list(life.documents.values())[-1].attempts) > made


def test_what_is_owed_besides_is_given_up_when_it_is_lost() -> None:
    life = Life(gateway=script(None, *[DECLINED] * 9)).advance(days=31)
    first, second = life.documents
    told(told(life, OPEN, invoice=first), LOST, invoice=first)
    assert (life.state.status, life.documents[second].status) == (Status.CANCELED, "uncollectible")


def test_unpaid_and_disputed_pays_its_debt_and_still_waits() -> None:
    """What is owed may be paid; the next period begins, and is charged, when the dispute has ended."""
    terms = plan(dunning=policy(FinalAction.UNPAID))
    life = Life(terms, gateway=script(None, *[DECLINED] * 5)).advance(days=75)
    first = next(iter(life.documents))
    told(life, OPEN, invoice=first)
    assert status(life) is Status.UNPAID
    life.send(c.RetryPayment()).advance(days=3)
    assert (life.state.status, life.totals()) == (Status.PAUSED, [1000, 1000])
    told(life, WON, invoice=first)
    assert (life.state.status, life.totals()) == (Status.ACTIVE, [1000, 1000, 1000])
    assert life.state.period.start == life.now


def test_the_last_usage_is_sent_and_not_charged() -> None:
    """A card whose owner contests a charge is not charged once more."""
    charges = (UsageCharge("calls", "Calls", "calls", flat("1")),)
    life = told(lives(DisputePolicy.CANCEL, charges=charges).advance(days=3), OPEN)
    document = list(life.documents.values())[-1]
    assert (document.draft.reason, document.draft.due_at) == ("final_usage", life.now)
    assert document.attempts == {}


def test_nothing_of_a_disputed_period_is_credited_by_a_change_of_plan() -> None:
    life = told(lives(DisputePolicy.KEEP), OPEN).advance(days=15)
    life.send(c.ChangePlan(terms=plan("plus", "20.00")))
    assert [line.kind.value for line in list(life.documents.values())[-1].draft.lines] == ["proration_debit"]


@pytest.mark.parametrize("refund", [RefundPolicy.FULL, RefundPolicy.PRORATED])
def test_nothing_of_a_disputed_period_is_refunded(refund: RefundPolicy) -> None:
    life = told(Life(), OPEN)
    life.send(c.Cancel(when=c.When.NOW, refund=refund))
    assert life.credited == 0


def test_a_won_dispute_hinders_no_refund() -> None:
    life = told(told(Life(), OPEN), WON)
    life.send(c.Cancel(when=c.When.NOW, refund=RefundPolicy.FULL))
    assert life.credited == 1000


def test_parked_it_hears_the_news_and_acts_when_it_is_unparked() -> None:
    life = Life().send(c.Park())
    told(life, OPEN)
    assert status(life) is Status.ACTIVE
    life.send(c.Unpark()).advance(days=0)
    assert status(life) is Status.PAUSED


def test_who_comes_back_is_not_ended_by_an_old_dispute() -> None:
    life = told(told(Life(), OPEN), LOST)
    life.send(c.Reactivate()).advance(days=31)
    assert (life.state.status, life.state.disputes) == (Status.ACTIVE, ())


def test_a_decision_that_is_told_again_does_not_end_what_was_begun_since() -> None:
    """News of the gateway may be days late; what is decided after the return is news."""
    life = Life().advance(days=10)
    told(told(life, OPEN), LOST)
    lost = c.DisputeEvent(invoice="invoice:sub_1:0:period", dispute="dp_1", status=LOST, at=life.now)
    life.advance(days=20).send(c.Reactivate()).advance(days=3)
    state = decide(life.state, replace(lost, request_id="again"), life.now).state
    assert (next_due(state), state.disputes) == (next_due(life.state), ())
    assert told(life, LOST).state.end_reason == "disputed"


def test_a_trial_of_somebody_who_came_back_is_frozen_as_well() -> None:
    life = Life(trial_days=14)
    told(life, OPEN, invoice="invoice:old").advance(days=30)
    assert (life.state.status, life.documents) == (Status.PAUSED, {})
    told(life, WON, invoice="invoice:old")
    assert status(life) is Status.TRIALING


def test_old_decisions_are_forgotten_open_disputes_never() -> None:
    life = told(Life(), OPEN, "dp_first")
    for n in range(30):
        told(life, WON, f"dp_{n}")
    refs = [dispute.ref for dispute in life.state.disputes]
    assert (refs[0], refs[-1], len(refs)) == ("dp_first", "dp_29", 21)


@pytest.mark.parametrize(
    ("charged", "refunded", "credited", "lost", "twice"),
    [
        (1000, 0, 0, 1000, 0),
        (1000, 0, 300, 1000, 300),
        (1000, 0, 300, 700, 0),
        (1000, 400, 300, 600, 300),
        (1000, 400, 100, 600, 100),
        (1000, 1000, 0, 1000, 0),
    ],
)
def test_credit_that_a_lost_dispute_gives_a_second_time(
    charged: int, refunded: int, credited: int, lost: int, twice: int
) -> None:
    assert given_twice(charged=charged, refunded=refunded, credited=credited, lost=lost) == twice


AMOUNT = st.integers(0, 10**6)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_with_what_is_taken_back_nothing_has_gone_twice(charged: int, refunded: int, credited: int, lost: int) -> None:
    """Unless the bank and the refunds alone are more than the charge; and never more than that is taken."""
    taken = given_twice(charged=charged, refunded=refunded, credited=credited, lost=lost)
    assert 0 <= taken <= credited
    assert refunded + credited - taken + lost <= max(charged, refunded + lost)
    assert not taken or refunded + credited - taken + lost >= charged


MORNING, EVENING = (datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in (8, 20))


def decided(life: Life, news: DisputeStatus, told_at: datetime) -> Life:
    invoice = next(iter(life.documents))
    event = c.DisputeEvent(invoice=invoice, dispute="dp_1", status=news, told_at=told_at)
    return life.send(event).advance(days=0)


def test_a_dispute_that_was_won_and_is_lost_after_all_ends_it() -> None:
    life = decided(told(Life().advance(days=10), OPEN).advance(days=40), WON, MORNING)
    assert status(life) is Status.ACTIVE
    decided(life, LOST, EVENING)
    assert (status(life), life.state.end_reason) == (Status.CANCELED, "disputed")


def test_a_dispute_that_was_lost_and_is_won_after_all_brings_nobody_back() -> None:
    """It ended, and service was not owed since: the customer may come back."""
    life = decided(told(Life().advance(days=10), OPEN).advance(days=40), LOST, MORNING)
    decided(life, WON, EVENING)
    assert status(life) is Status.CANCELED
    assert life.kinds[-1] == "dispute_won"
    assert [dispute.status for dispute in life.state.disputes] == [WON]


def test_an_older_decision_that_is_heard_later_changes_nothing() -> None:
    """Also where the same was decided twice: the last time counts."""
    life = decided(told(Life().advance(days=10), OPEN).advance(days=40), WON, MORNING)
    decided(life, WON, EVENING)
    decided(life, LOST, MORNING + timedelta(hours=1))
    assert status(life) is Status.ACTIVE
    assert life.kinds.count("dispute_won") == 1


def test_what_is_told_of_the_opening_after_the_decision_reopens_nothing() -> None:
    """A gateway repeats itself, and edits what it knows of a dispute long after."""
    life = decided(told(Life().advance(days=10), OPEN).advance(days=40), WON, MORNING)
    decided(life, OPEN, EVENING)
    assert (status(life), life.state.disputes[0].status) == (Status.ACTIVE, WON)
