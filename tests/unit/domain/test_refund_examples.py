"""The worked examples of docs/billing-rules/refunds.md and disputes.md."""

from datetime import UTC, datetime, timedelta
from typing import Any

from perennial.domain.catalog import RefundPolicy
from perennial.domain.disputes import DisputeStatus, given_twice
from perennial.domain.ledger import Entry, dispute_lost
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.state import Status
from tests.unit.subscription.life import Life, plan, script

NONE, PRORATED, FULL = RefundPolicy
DISPUTED, WON, LOST = DisputeStatus


def _month(month: int, amount: str, **more: Any) -> Life:
    return Life(plan(amount=amount), start=datetime(2026, month, 1, tzinfo=UTC), **more)


def _on(life: Life, day: int, month: int = 4) -> Life:
    return life.advance(datetime(2026, month, day, tzinfo=UTC))


def _canceled(life: Life, refund: RefundPolicy) -> int:
    """What is given back."""
    before = life.credited
    life.send(c.Cancel(when=c.When.NOW, refund=refund))
    return life.credited - before


def _upgraded(refund: RefundPolicy) -> int:
    life = _on(_month(4, "10.00"), 16).send(c.ChangePlan(terms=plan("plus", "20.00")))
    assert life.totals() == [1000, 500]
    return _canceled(_on(life, 21), refund)


def _told(life: Life, status: DisputeStatus) -> Life:
    invoice = next(iter(life.documents))
    return life.send(c.DisputeEvent(invoice=invoice, dispute="dp_1", status=status)).advance(days=0)


# --- refunds.md ------------------------------------------------------------------------------------------------------


def test_canceled_half_way() -> None:
    given = [_canceled(_on(_month(4, "30.00"), 16), refund) for refund in (NONE, PRORATED, FULL)]
    assert given == [0, 1500, 3000]


def test_canceled_at_the_end_of_the_period() -> None:
    life = _on(_month(4, "30.00"), 16).send(c.Cancel(when=c.When.PERIOD_END, refund=FULL))
    _on(life, 2, 5)
    assert (life.state.status, life.credited) == (Status.CANCELED, 0)


def test_canceled_in_a_pause() -> None:
    life = _on(_month(4, "30.00"), 11).send(c.PauseSubscription())
    assert _canceled(_on(life, 26), PRORATED) == 2000


def test_an_upgrade_and_then_the_end() -> None:
    assert (_upgraded(PRORATED), _upgraded(FULL)) == (667, 1500)


def test_a_credit_note_came_first() -> None:
    life = _month(4, "30.00")
    life.send(c.CreditInvoice(invoice=next(iter(life.documents)), amount=1000, recurring=1000))
    assert _canceled(life, FULL) == 2000


def test_sent_and_not_paid() -> None:
    given = {}
    for refund in (FULL, NONE):
        life = _on(_month(4, "30.00", net_days=30, payment_method_id=None), 16)
        given[refund] = _canceled(life, refund), next(iter(life.documents.values())).status
    assert given == {FULL: (0, "uncollectible"), NONE: (0, "open")}


def test_one_invoice_of_two_was_paid() -> None:
    life = _on(_month(4, "10.00", gateway=script(None, "insufficient_funds")), 16)
    life.send(c.ChangePlan(terms=plan("plus", "20.00")))
    assert life.state.status is Status.PAST_DUE
    assert _canceled(life, FULL) == 1000
    assert [document.status for document in life.documents.values()] == ["paid", "uncollectible"]


# --- disputes.md -----------------------------------------------------------------------------------------------------


def test_frozen_for_fifty_days() -> None:
    life = _told(_on(_month(2, "10.00"), 11, 2), DISPUTED)
    _told(_on(life, 2), WON)
    assert life.state.period.end - life.now == timedelta(days=18)
    _on(life, 30)
    assert [f"{each.draft.period.start:%d %b}" for each in life.documents.values()] == ["01 Feb", "20 Apr"]


def test_lost_after_fifty_days() -> None:
    life = _told(_on(_month(2, "10.00"), 11, 2), DISPUTED)
    _told(_on(life, 2), LOST)
    assert (life.state.ended_at, life.credited) == (datetime(2026, 4, 2, tzinfo=UTC), 0)
    posting = dispute_lost("d", "dp_1", "USD", "simulator", "cus_1", 1000)
    assert Entry("dispute_losses", 1000) in posting.entries


def test_some_of_it_had_become_credit() -> None:
    twice = given_twice(charged=1000, refunded=0, credited=300, lost=1000)
    posting = dispute_lost("d", "dp_1", "USD", "simulator", "cus_1", 1000, credit=min(twice, 200))
    assert twice == 300
    assert posting.entries == (
        Entry("credit:cus_1", 200),
        Entry("dispute_losses", 800),
        Entry("disputed:simulator", -1000),
    )


def test_some_of_it_had_been_refunded() -> None:
    assert given_twice(charged=1000, refunded=400, credited=0, lost=600) == 0


def test_the_decision_overtakes_the_dispute() -> None:
    life = _told(_told(_month(2, "10.00"), WON), DISPUTED)
    assert (life.state.status, life.kinds[-1]) == (Status.ACTIVE, "dispute_won")


def test_a_cancellation_was_ahead() -> None:
    ends = []
    for decided in (None, WON):
        life = _told(_on(_month(2, "10.00").send(c.Cancel()), 11, 2), DISPUTED)
        if decided:
            _told(_on(life, 21, 2), decided)
        ends.append(_on(life, 1, 5).state.ended_at)
    assert ends == [datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)]
