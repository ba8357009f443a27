"""The transition table: what each status answers to each command. `ok`, or the code of the refusal."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from perennial.domain.catalog import AddOn
from perennial.domain.disputes import DisputeStatus
from perennial.domain.dunning import FinalAction
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.decide import _COMMANDS, REMEMBERED_REQUESTS
from perennial.domain.subscription.state import Discount
from tests.unit.subscription.life import Life, plan, policy, script

DECLINED = "insufficient_funds"
PLUS = plan("plus", "20.00")


def incomplete() -> Life:
    return Life(gateway=script(DECLINED))


def trialing() -> Life:
    return Life(trial_days=14)


def active() -> Life:
    return Life()


def leaving() -> Life:
    return Life().send(c.Cancel())


def pausing() -> Life:
    return Life().send(c.PauseSubscription(when=c.When.PERIOD_END))


def past_due() -> Life:
    return Life(gateway=script(None, *[DECLINED] * 9)).advance(days=31)


def unpaid() -> Life:
    terms = plan(dunning=policy(FinalAction.UNPAID))
    return Life(terms, gateway=script(None, *[DECLINED] * 5)).advance(days=50)


def paused() -> Life:
    return Life().send(c.PauseSubscription())


def canceled() -> Life:
    return Life().send(c.Cancel(when=c.When.NOW))


def expired() -> Life:
    return Life(gateway=script(DECLINED)).advance(days=1)


COMMANDS: dict[str, Callable[[Life], c.Command]] = {
    "pause": lambda life: c.PauseSubscription(),
    "pause-later": lambda life: c.PauseSubscription(when=c.When.PERIOD_END),
    "resume": lambda life: c.Resume(),
    "change_plan": lambda life: c.ChangePlan(terms=PLUS),
    "change_plan-later": lambda life: c.ChangePlan(terms=PLUS, when=c.When.PERIOD_END),
    "change_quantity": lambda life: c.ChangeQuantity(quantity=3),
    "cancel": lambda life: c.Cancel(when=c.When.NOW),
    "cancel-later": lambda life: c.Cancel(),
    "undo_cancel": lambda life: c.UndoCancel(),
    "reactivate": lambda life: c.Reactivate(),
    "apply_coupon": lambda life: c.ApplyCoupon(discount=Discount("half", percent=Decimal(50))),
    "set_payment_method": lambda life: c.SetPaymentMethod(payment_method_id="pm_2"),
    "extend_trial": lambda life: c.ExtendTrial(until=life.now + timedelta(days=60)),
    "retry_payment": lambda life: c.RetryPayment(),
    "gift": lambda life: c.AddGift(gift_id="gift_1", periods=2),
    "skip_next": lambda life: c.SkipNext(),
    "payment_event": lambda life: c.PaymentEvent(invoice=next(iter(life.documents), "?"), attempt=1),
    "dispute_event": lambda life: c.DisputeEvent(
        invoice=next(iter(life.documents), "?"), dispute="dp_1", status=DisputeStatus.OPEN
    ),
    "change_addons": lambda life: c.ChangeAddOns(addons=(AddOn("support", 1),)),
    "give_up_invoice": lambda life: c.GiveUpInvoice(invoice=owed(life)),
    "record_payment": lambda life: c.RecordPayment(invoice=owed(life), reference="BANK 1"),
    "set_dunning": lambda life: c.SetDunning(policy=policy(FinalAction.PAUSE)),
    "credit_invoice": lambda life: c.CreditInvoice(invoice=next(iter(life.documents), "?")),
    "park": lambda life: c.Park(),
    "unpark": lambda life: c.Unpark(),
}


def owed(life: Life) -> str:
    return life.state.collection.invoice if life.state.collection else "?"


def parked() -> Life:
    return Life().send(c.Park())


LIVES = {
    make.__name__: make
    for make in (
        incomplete,
        trialing,
        active,
        leaving,
        pausing,
        past_due,
        unpaid,
        paused,
        canceled,
        expired,
        parked,
    )
}
WORDS = {
    "overdue": "payment_overdue",
    "paused": "already_paused",
    "ending": "cancellation_pending",
    "ended": "subscription_ended",
    "running": "not_reactivatable",
    "no-trial": "not_trialing",
    "no-debt": "nothing_to_pay",
    "no-pause": "not_paused",
    "no-end": "not_canceling",
    "no-period": "not_renewing",
    "again": "already_canceling",
    "parked": "subscription_parked",
    "loose": "not_parked",
    "no-bill": "invoice_not_open",
    "unknown": "invalid_input",
}
TABLE = """
                   incomplete trialing active   leaving  pausing  past_due unpaid    paused    canceled expired parked
pause              overdue    ok       ok       ending   paused   overdue  overdue   paused    ended    ended   parked
pause-later        overdue    ok       ok       ending   paused   overdue  overdue   paused    ended    ended   parked
resume             no-pause   no-pause no-pause no-pause ok       no-pause no-pause  ok        ended    ended   parked
change_plan        overdue    ok       ok       ok       ok       overdue  overdue   paused    ended    ended   parked
change_plan-later  overdue    ok       ok       ending   ok       overdue  overdue   paused    ended    ended   parked
change_quantity    overdue    ok       ok       ok       ok       overdue  overdue   paused    ended    ended   parked
cancel             ok         ok       ok       ok       ok       ok       ok        ok        ended    ended   parked
cancel-later       no-period  ok       ok       again    ok       ok       no-period no-period ended    ended   parked
undo_cancel        no-end     no-end   no-end   ok       no-end   no-end   no-end    no-end    ended    ended   parked
reactivate         running    running  running  running  running  running  running   running   ok       ok      parked
apply_coupon       ok         ok       ok       ok       ok       ok       ok        ok        ended    ended   parked
set_payment_method ok         ok       ok       ok       ok       ok       ok        ok        ended    ended   parked
extend_trial       no-trial   ok       no-trial no-trial no-trial no-trial no-trial  no-trial  ended    ended   parked
retry_payment      ok         no-debt  no-debt  no-debt  no-debt  ok       ok        no-debt   ended    ended   parked
gift               overdue    ok       ok       ok       ok       overdue  overdue   paused    ended    ended   parked
skip_next          overdue    ok       ok       ok       ok       overdue  overdue   paused    ended    ended   parked
payment_event      ok         ok       ok       ok       ok       ok       ok        ok        ok       ok      ok
dispute_event      ok         ok       ok       ok       ok       ok       ok        ok        ok       ok      ok
change_addons      unknown    unknown  unknown  unknown  unknown  unknown  unknown   unknown   ended    ended   parked
give_up_invoice    ok         no-bill  no-bill  no-bill  no-bill  ok       ok        no-bill   ended    ended   parked
record_payment     ok         no-bill  no-bill  no-bill  no-bill  ok       ok        no-bill   ended    ended   parked
set_dunning        ok         ok       ok       ok       ok       ok       ok        ok        ended    ended   parked
credit_invoice     ok         ok       ok       ok       ok       ok       ok        ok        ok       ok      parked
park               ok         ok       ok       ok       ok       ok       ok        ok        ended    ended   parked
unpark             loose      loose    loose    loose    loose    loose    loose     loose     ended    ended   ok
"""
HEAD, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CASES = [
    pytest.param(LIVES[status], name, WORDS.get(word, word), id=f"{name}-{status}")
    for name, *words in ROWS
    for status, word in zip(HEAD, words, strict=True)
]


@pytest.mark.parametrize(("make", "name", "expected"), CASES)
def test_each_status_answers_each_command(make: Callable[[], Life], name: str, expected: str) -> None:
    life = make()
    assert life.state.status.value in (make.__name__, "active")
    command = COMMANDS[name](life)
    before = life.state
    if expected == "ok":
        life.send(command)
        assert life.state.step > before.step
        is_news = isinstance(command, c.PaymentEvent | c.DisputeEvent)
        assert is_news or life.state.applied[-1] == f"r{life.requests}"
    else:
        assert life.refused(command) == expected
        assert life.state == before


def test_news_of_gateways_crowds_out_nothing_that_was_asked() -> None:
    life = active()
    life.send(c.ChangeQuantity(quantity=2))
    asked = life.state.applied
    assert asked
    for _ in range(REMEMBERED_REQUESTS):
        life.send(c.PaymentEvent(invoice=life.state.period_invoices[-1], attempt=1))
    assert life.state.applied == asked


def test_the_table_knows_every_command() -> None:
    kinds = {type(make(active())) for make in COMMANDS.values()}
    assert kinds == set(_COMMANDS)


@pytest.mark.parametrize("make", [paused, trialing])
def test_a_change_to_what_one_has_is_refused(make: Callable[[], Life]) -> None:
    life = make()
    assert life.refused(c.ChangePlan(terms=plan())) == "same_plan"
    assert life.refused(c.ChangeQuantity(quantity=1)) == "same_plan"


def test_what_is_wrong_in_itself_is_named_with_its_field() -> None:
    life = Life()
    assert life.refused(c.ChangePlan(terms=plan("euro", currency="EUR"))) == "currency_change"
    assert life.refused(c.ChangeQuantity(quantity=0)) == "invalid_quantity"
    assert life.refused(c.AddGift(gift_id="gift_1", periods=0)) == "invalid_quantity"
    assert life.refused(c.PauseSubscription(until=life.now)) == "invalid_instant"
    assert life.refused(c.PauseSubscription(until=life.now + timedelta(days=4000))) == "invalid_instant"
    trial = trialing()
    assert trial.refused(c.ExtendTrial(until=trial.state.period.end)) == "invalid_instant"
    assert trial.refused(c.ExtendTrial(until=trial.now + timedelta(days=4000))) == "invalid_instant"
