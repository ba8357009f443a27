"""Parked: nothing by itself, nothing for anybody; afterwards what was missed, once and in order."""

from datetime import timedelta

from perennial.domain.subscription import commands as c
from perennial.domain.subscription import next_due
from perennial.domain.subscription.state import Status
from tests.unit.subscription.life import START, Life, script

DECLINED = "insufficient_funds"


def test_nothing_happens_and_nothing_is_obeyed() -> None:
    life = Life().send(c.Park())
    assert next_due(life.state) is None
    life.advance(days=100)
    assert life.totals() == [1000]
    assert life.refused(c.Cancel()) == "subscription_parked"
    assert life.refused(c.Park()) == "subscription_parked"


def test_what_was_missed_is_billed_once_in_order() -> None:
    life = Life().send(c.Park()).advance(days=100)
    life.send(c.Unpark()).advance(life.now)
    assert life.totals() == [1000] * 4
    starts = [document.draft.period.start for document in life.documents.values()]
    assert starts == sorted(starts)
    assert starts[0] == START
    assert life.state.period.start <= life.now < life.state.period.end
    assert life.refused(c.Unpark()) == "not_parked"


def test_a_dunning_case_stands_still() -> None:
    life = Life(gateway=script(None, DECLINED, DECLINED, None)).advance(days=29)
    assert life.state.status is Status.PAST_DUE
    ahead = [due.at for due in (next_due(life.state),) if due]
    life.send(c.Park()).advance(days=20)
    life.send(c.Unpark())
    assert [due.at for due in (next_due(life.state),) if due] == [ahead[0] + timedelta(days=20)]
    assert life.advance(days=10).state.status is Status.ACTIVE


def test_money_that_arrives_is_known_when_it_is_unparked() -> None:
    """And what it leads to, the next invoice in arrears for instance, waits as well."""
    life = Life(gateway=script(None, "action", None)).advance(days=29)
    life.send(c.Park())
    life.authenticates()
    assert life.state.status is Status.PAST_DUE
    assert [document.status for document in life.documents.values()] == ["paid", "paid"]
    life.send(c.Unpark())
    assert life.state.status is Status.ACTIVE
    assert life.state.collection is None


def test_a_sent_invoice_that_fell_due_meanwhile_is_chased_from_then_on() -> None:
    life = Life(net_days=14).advance(days=5).send(c.Park()).advance(days=20)
    life.send(c.Unpark()).advance(days=0)
    assert life.kinds[-2:] == ["unparked", "payment_overdue"]
    case = life.state.collection
    assert case is not None
    assert case.first_failed_at == life.now


def test_sent_invoices_of_missed_periods_are_not_due_before_they_are_issued() -> None:
    life = Life(net_days=14).advance(days=5).send(c.Park()).advance(days=100)
    life.send(c.Unpark()).advance(days=0)
    missed = list(life.documents.values())[1:]
    assert [document.draft.due_at for document in missed] == [life.now + timedelta(days=14)] * 3
    assert life.state.status is Status.PAST_DUE
