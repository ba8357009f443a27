"""What a review of the core found: each of these once lost money, a message or a whole workflow."""

from datetime import timedelta

import pytest

from perennial.domain import gift
from perennial.domain.dunning import FinalAction
from perennial.domain.errors import ChangePending, InvalidQuantity, PrepaidByGift, SamePlan
from perennial.domain.pricing import pricing_model
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import Credit, PaymentFact, PaymentStatus
from perennial.domain.subscription.state import Status
from tests.unit.subscription.life import MONTH, START, YEAR, Life, plan, policy

TEN_SEATS = pricing_model({"type": "graduated", "tiers": [{"up_to": "10", "unit_price": "1.00"}]})


@pytest.mark.parametrize("trial_days", [0, 14])
def test_a_quantity_without_a_price_is_refused_when_it_is_asked_for(trial_days: int) -> None:
    """Accepted for later, it raised inside the workflow at the renewal, and at every retry of that task."""
    life = Life(plan(price=TEN_SEATS, trial_days=trial_days), quantity=5)
    for when in c.When:
        with pytest.raises(InvalidQuantity, match="no price beyond"):
            life.send(c.ChangeQuantity(quantity=50, when=when))
    with pytest.raises(InvalidQuantity, match="no price beyond"):
        Life(plan(price=TEN_SEATS), quantity=11)


def test_what_no_gateway_can_charge_is_refused() -> None:
    """An activity that a gateway refuses for ever holds every later command up, a cancellation too."""
    seats = plan(price=pricing_model({"type": "per_unit", "unit_price": "20000.00"}))
    with pytest.raises(InvalidQuantity, match="costs more"):
        Life(seats, quantity=1_000_000)
    with pytest.raises(InvalidQuantity, match="costs more"):
        Life(seats).send(c.ChangeQuantity(quantity=1_000_000))


@pytest.mark.parametrize("when", list(c.When))
def test_prepaid_periods_are_not_taken_along_to_a_dearer_plan(when: c.When) -> None:
    """Three months of a gift became three years of the dearest plan, without a payment."""
    life = Life(plan(), prepaid_periods=3, gift_id="gift_1", payment_method_id=None)
    dearest = c.ChangePlan(terms=plan("dearest", "1000.00", YEAR), when=when)
    with pytest.raises(PrepaidByGift):
        life.send(dearest)
    life.advance(days=70)
    if when is c.When.PERIOD_END:
        life.send(dearest)  # the last of the three is running
    in_trial = Life(plan(trial_days=14)).send(c.AddGift(gift_id="gift_1", periods=2))
    with pytest.raises(PrepaidByGift):
        in_trial.send(dearest)


def test_an_end_that_has_moved_is_announced_again() -> None:
    """The second reminder had the key of the first, so the customer was charged on a day nobody had told."""
    trial = Life(plan(trial_days=14)).advance(days=12)
    told = set(trial.messages)
    trial.send(c.ExtendTrial(until=START + timedelta(days=30))).advance(START + timedelta(days=29))
    assert len(trial.messages - told) == 1
    paid = Life(plan(interval=MONTH, reminder_days=7)).advance(days=25)
    told = set(paid.messages)
    paid.send(c.PauseSubscription(until=paid.now + timedelta(days=20))).advance(days=20)
    assert [key for key in paid.messages - told if "renewal_reminder" in key] == [
        "notify:renewal_reminder:sub_1:0:2026-03-20"
    ]


def _upgrade_that_is_not_paid() -> Life:
    skip = policy(FinalAction.SKIP, offsets=(1,), grace=1)
    life = Life(plan(dunning=skip), gateway=lambda invoice, _: "insufficient_funds" if "change" in invoice else None)
    return life.send(c.ChangePlan(terms=plan("big", "50.00", dunning=skip)))


def test_an_upgrade_that_was_given_up_gives_nothing_back() -> None:
    """Its invoice held the credit for the rest of the old plan; that rest was refunded a second time."""
    life = _upgrade_that_is_not_paid().advance(days=15)
    assert life.state.status is Status.ACTIVE
    life.send(c.Cancel(when=c.When.NOW, refund=c.RefundPolicy.PRORATED))
    assert not life.credited


def test_a_cancellation_with_an_open_invoice_keeps_its_refund() -> None:
    life = _upgrade_that_is_not_paid()
    assert life.state.collection
    life.send(c.Cancel(when=c.When.NOW, refund=c.RefundPolicy.FULL))
    assert life.state.status is Status.CANCELED
    assert life.credited == 1000


def test_a_payment_that_comes_before_a_cancellation_is_refunded_as_that_wants() -> None:
    """The bank said yes while the customer said no: the money was kept for a subscription that never began."""
    life = Life(plan(), gateway=lambda _invoice, _attempt: "action")
    ((key, document),) = life.documents.items()
    document.status = "paid"
    life.send(c.Cancel(when=c.When.NOW, refund=c.RefundPolicy.FULL))
    assert life.state.status is Status.CANCELED
    assert [(credit.invoices, amount) for credit, amount in life.credits] == [((key,), 1000)]


def test_a_gift_that_is_canceled_while_it_is_paid_is_refunded() -> None:
    pending = gift.GiftState(
        "gift_1", "cus_1", plan(), 1, 3, "UTC", gift.GiftStatus.PENDING, START, START, START, "pm_1"
    )
    canceled = gift.cancel(gift.buy(pending).state, gift.CancelGift(request_id="r1", at=START), START).state
    paid = gift.settle(canceled, PaymentFact(pending.invoice, PaymentStatus.PAID, 0, START))
    assert paid.state.status is gift.GiftStatus.CANCELED
    assert [(credit.key, credit.amount) for credit in paid.effects if isinstance(credit, Credit)] == [
        ("credit:gift_1:cancel", None)
    ]
    closed = gift.settle(canceled, PaymentFact(pending.invoice, PaymentStatus.CLOSED, 0, START))
    assert not closed.effects


def test_news_that_is_known_is_no_second_failure() -> None:
    """Each delivery of a webhook about a decline told the customer's story of another failed payment."""
    life = Life()
    life.gateway = lambda _invoice, _attempt: "insufficient_funds"
    life.advance(days=30)
    case = life.state.collection
    assert case
    for _ in range(2):
        life.send(c.PaymentEvent(invoice=case.invoice, attempt=case.attempt))
    assert life.state.collection == case
    assert life.kinds.count("payment_failed") == case.attempt


def test_prepaid_periods_that_are_left_need_no_card_to_come_back() -> None:
    life = Life(plan(), prepaid_periods=3, gift_id="gift_1", payment_method_id=None)
    life.send(c.Cancel(when=c.When.NOW)).send(c.Reactivate())
    assert (life.state.status, life.state.prepaid_periods, life.billed) == (Status.ACTIVE, 1, 0)


def test_a_scheduled_change_is_undone_by_changing_back() -> None:
    """There was no way back: the current plan was refused as the same plan."""
    life = Life(plan())
    life.send(c.ChangePlan(terms=plan("yearly", "90.00", YEAR), when=c.When.PERIOD_END))
    life.send(c.ChangePlan(terms=plan(), when=c.When.PERIOD_END))
    assert life.state.scheduled_change is None
    with pytest.raises(SamePlan):
        life.send(c.ChangePlan(terms=plan(), when=c.When.PERIOD_END))


def test_gift_periods_are_not_taken_to_a_plan_that_is_scheduled() -> None:
    """Three free months had become three free years."""
    life = Life(plan())
    life.send(c.ChangePlan(terms=plan("yearly", "90.00", YEAR), when=c.When.PERIOD_END))
    with pytest.raises(ChangePending):
        life.send(c.AddGift(gift_id="gift_1", periods=3))
