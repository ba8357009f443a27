"""The judge on doctored books: each thing that can be wrong is found, and what is right is acquitted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perennial.chaos.expectation import RUNS_ON, Answer, Asked, Life, lives
from perennial.chaos.judge import Case, Sentence, judge
from perennial.chaos.kinds import Kind
from perennial.chaos.verdict import Verdict
from perennial.checks import CheckResult
from perennial.domain import keys
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import PlanTerms
from perennial.domain.pricing import Flat
from perennial.domain.subscription import Opening, Status
from perennial.domain.subscription import commands as c
from perennial.gateways.simulator.witness import Capture

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
FIRST, SECOND = datetime(2026, 2, 28, 10, tzinfo=UTC), datetime(2026, 3, 31, 10, tzinfo=UTC)
END = datetime(2026, 4, 20, 10, tzinfo=UTC)
SUB = "sub_1"


def _terms(code: str, amount: int) -> PlanTerms:
    return PlanTerms(
        code=code,
        version=1,
        name=code,
        currency="EUR",
        interval=Interval(IntervalUnit.MONTH),
        price=Flat(Decimal(amount) / 100),
    )


BASIC, PREMIUM, DELUXE = _terms("basic", 900), _terms("premium", 4900), _terms("deluxe", 9900)


def _lives(*rounds: Sequence[Asked], card: str = "pm_card_visa", more: Mapping[str, str] | None = None) -> list[Life]:
    opening = Opening(
        id=SUB,
        customer_id="cus_1",
        terms=BASIC,
        quantity=1,
        timezone="UTC",
        start=START,
        payment_method_id="pm_1",
        test_clock_id="clk_1",
    )
    return list(lives(opening, {"pm_1": card, **(more or {})}, rounds, END))


def _asked(command: c.Command, answer: Answer = Answer.ACCEPTED) -> Asked:
    return Asked(command, answer)


def _captures(life: Life) -> tuple[Capture, ...]:
    """What an honest gateway would have in its books."""
    return tuple(
        Capture(
            charge_key=keys.charge(key, 1),
            gateway_ref=f"ch_{n}",
            customer_reference="cus_1",
            description=keys.invoice_id(key),
            amount=charge.amount,
            currency="EUR",
            refunded=charge.refunded,
            booked_at=END,
        )
        for n, (key, charge) in enumerate(life.charges.items())
    )


def _case(life: Life, *asked: Asked, all_lives: Sequence[Life] = ()) -> Case:
    return Case(SUB, asked, tuple(all_lives) or (life,), life.state, _captures(life))


def _problems(sentence: Sentence) -> str:
    return "\n".join(finding.problem for finding in sentence.findings)


def test_a_loyal_life_is_charged_at_each_boundary() -> None:
    (life,) = _lives()
    assert [charge.amount for charge in life.charges.values()] == [900, 900, 900]
    assert judge(_case(life)) == Sentence(due=3, captured=3)


def test_what_was_not_taken_is_missed() -> None:
    (life,) = _lives()
    case = _case(life)
    sentence = judge(replace(case, captures=case.captures[:-1]))
    assert (sentence.due, sentence.captured, sentence.missed, sentence.duplicates) == (3, 2, 1, 0)
    assert "was due, and nothing was taken" in _problems(sentence)


@pytest.mark.parametrize("charge_key", ["charge:invoice:sub_1:1:period:2", "charge:invoice:sub_1:1:period:1/77-0"])
def test_what_was_taken_twice_is_a_duplicate_whatever_its_key(charge_key: str) -> None:
    (life,) = _lives()
    case = _case(life)
    sentence = judge(replace(case, captures=(*case.captures, replace(case.captures[1], charge_key=charge_key))))
    assert (sentence.due, sentence.captured, sentence.missed, sentence.duplicates) == (3, 4, 0, 1)
    assert "was taken 2 times" in _problems(sentence)


def test_what_was_never_due_is_a_duplicate() -> None:
    (life,) = _lives()
    case = _case(life)
    sentence = judge(replace(case, captures=(*case.captures, replace(case.captures[0], description="inv_strange"))))
    assert sentence.duplicates == 1
    assert "was not due" in _problems(sentence)


def test_another_amount_is_found() -> None:
    (life,) = _lives()
    case = _case(life)
    wrong = (replace(case.captures[0], amount=901), replace(case.captures[1], refunded=5), *case.captures[2:])
    problems = _problems(judge(replace(case, captures=wrong)))
    assert "900 was due, 901 was taken" in problems
    assert "0 was to be given back, 5 was" in problems


def test_an_accepted_command_without_a_trace_is_lost() -> None:
    asked = _asked(c.SkipNext(request_id="r1", at=START + timedelta(days=5)))
    (life,) = _lives([asked])
    assert [charge.amount for charge in life.charges.values()] == [900, 900]
    assert judge(_case(life, asked)).findings == ()
    (without,) = _lives()
    sentence = judge(replace(_case(life, asked), recorded=without.state, captures=_captures(without)))
    assert (sentence.lost, sentence.duplicates) == (1, 1)
    assert "SkipNext was accepted, and has left no trace" in _problems(sentence)


def test_a_signal_that_had_no_effect_is_found() -> None:
    asked = _asked(c.SkipNext(request_id="r1", at=START + timedelta(days=5)), Answer.UNKNOWN)
    (life,) = _lives([asked])
    (without,) = _lives()
    sentence = judge(replace(_case(life, asked), recorded=without.state, captures=_captures(without)))
    assert sentence.lost == 1
    assert "its obeyed is [], and should be ['r1']" in _problems(sentence)


def test_what_was_taken_in_may_be_refused_if_the_timeline_says_so() -> None:
    """Two people retry at once: one of them pays, and for the other there is nothing left to do."""
    at = FIRST + timedelta(days=1, hours=12)
    both = [_asked(c.RetryPayment(request_id=name, at=at), Answer.UNKNOWN) for name in ("r1", "r2")]
    first, second = _lives(both, card="pm_card_declines_charges_2_to_3")
    assert {first.state.applied, second.state.applied} == {("r1",), ("r2",)}
    case = _case(first, *both, all_lives=(first, second))
    assert judge(case).lost == 1
    assert judge(replace(case, refused={"Cancel": 1})).lost == 1
    assert judge(replace(case, refused={"RetryPayment": 1})).findings == ()


def test_what_cannot_have_been_accepted_is_explained_by_no_life() -> None:
    """Nor what nobody can have refused."""
    at = FIRST - timedelta(days=3)
    resume, pause = c.Resume(request_id="r1", at=at), c.PauseSubscription(request_id="r1", at=at)
    assert [bool(_lives([_asked(resume, answer)])) for answer in (Answer.ACCEPTED, Answer.REFUSED)] == [False, True]
    assert [bool(_lives([_asked(pause, answer)])) for answer in (Answer.ACCEPTED, Answer.REFUSED)] == [True, False]


def test_a_state_that_no_life_ends_in_is_found() -> None:
    (life,) = _lives()
    case = _case(life)
    assert "its status is paused, and should be active" in _problems(
        judge(replace(case, recorded=replace(life.state, status=Status.PAUSED)))
    )
    behind = replace(life.state, period_no=1)
    assert "its period is (1," in _problems(judge(replace(case, recorded=behind)))
    assert judge(replace(case, recorded=None)).findings[0].problem == "it has no row"


def test_an_answer_that_nothing_explains_is_found() -> None:
    refused = _asked(c.SkipNext(request_id="r1", at=START + timedelta(days=5)), Answer.REFUSED)
    assert _lives([refused]) == []
    (life,) = _lives()
    assert "no order of what was asked explains the answers" in _problems(
        judge(replace(_case(life, refused), explained=False))
    )


def test_a_cancellation_at_the_instant_of_a_renewal_has_two_good_ends() -> None:
    asked = _asked(
        c.Cancel(request_id="r1", at=FIRST - timedelta(seconds=2), when=c.When.NOW, refund=c.RefundPolicy.NONE)
    )
    before, after = sorted(_lives([asked]), key=lambda life: len(life.charges))
    assert [len(life.charges) for life in (before, after)] == [1, 2]
    for life in (before, after):
        assert judge(_case(life, asked, all_lives=(before, after))).findings == ()
    # Charged for the new period, and canceled as if before it: neither order does that.
    mixed = replace(_case(before, asked, all_lives=(before, after)), captures=_captures(after))
    assert judge(mixed).findings


def test_a_cancellation_long_before_a_renewal_has_one_end() -> None:
    early = FIRST - RUNS_ON - timedelta(seconds=1)
    asked = _asked(c.Cancel(request_id="r1", at=early, when=c.When.NOW, refund=c.RefundPolicy.FULL))
    (life,) = _lives([asked])
    assert [(charge.amount, charge.refunded) for charge in life.charges.values()] == [(900, 900)]


def test_two_upgrades_at_once_have_two_good_ends() -> None:
    at = START + timedelta(days=5)
    both = [
        _asked(c.ChangePlan(request_id=name, at=at, terms=terms)) for name, terms in (("r1", PREMIUM), ("r2", DELUXE))
    ]
    first, second = _lives(both)
    assert {life.state.terms.code for life in (first, second)} == {"premium", "deluxe"}
    for life in (first, second):
        assert sorted(life.state.applied) == ["r1", "r2"]
        assert judge(_case(life, *both, all_lives=(first, second))).findings == ()


def test_a_poor_card_is_tried_by_the_policy_and_by_its_owner() -> None:
    retry = FIRST + timedelta(days=3)
    asked = _asked(c.RetryPayment(request_id="r1", at=retry - timedelta(seconds=2)))
    ends = _lives([asked], card="pm_card_declines_charges_2_to_3")
    assert ends
    for life in ends:
        assert [charge.amount for charge in life.charges.values()] == [900, 900, 900]
        assert life.state.status is Status.ACTIVE


def test_a_dead_card_ends_it_and_a_new_one_saves_it() -> None:
    (dead,) = _lives(card="pm_card_dies_after_1")
    assert (dead.state.status, len(dead.charges)) == (Status.CANCELED, 1)
    new = _asked(c.SetPaymentMethod(request_id="r1", at=FIRST - timedelta(seconds=2), payment_method_id="pm_2"))
    for life in _lives([new], card="pm_card_dies_after_1", more={"pm_2": "pm_card_visa"}):
        assert (life.state.status, len(life.charges)) == (Status.ACTIVE, 3)


def _verdict(**changes: object) -> Verdict:
    good = Verdict(
        seed=1,
        subscriptions=1,
        months=2,
        faults_injected={Kind.KILL_WORKER: 3},
        worker_kills=3,
        charges_due=3,
        charges_captured=3,
        duplicate_charges=0,
        missed_charges=0,
        lost_commands=0,
        stuck_subscriptions=0,
        ledger_balanced=True,
        gateway_agrees=True,
        findings=(),
        checks=(CheckResult("books_balance", ok=True, detail="fine"),),
    )
    return replace(good, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicate_charges": 1},
        {"missed_charges": 1},
        {"lost_commands": 1},
        {"stuck_subscriptions": 1},
        {"ledger_balanced": False},
        {"gateway_agrees": False},
        {"findings": ("anything",)},
        {"checks": (CheckResult("spans_tile", ok=False, detail="1 wrong"),)},
    ],
)
def test_one_thing_that_is_wrong_is_enough(wrong: dict[str, object]) -> None:
    assert _verdict().ok
    assert not _verdict(**wrong).ok


NEW = {"pm_2": "pm_card_mastercard:cus_1"}
DIES = "pm_card_dies_after_1"


def _handed_in(request: str = "t1", method: str = "pm_2", window: str = "cs_1") -> Asked:
    at = FIRST - timedelta(seconds=2)
    command = c.SetPaymentMethod(request_id=request, at=at, payment_method_id=method)
    return Asked(command, Answer.UNTOLD, window=window)


def test_what_is_handed_in_at_the_page_was_obeyed_or_was_not_and_nothing_in_between() -> None:
    """Before the old card is charged, after it was declined, or never: then the invoice stays open."""
    found = _lives([_handed_in()], card=DIES, more=NEW)
    assert {len(life.charges) for life in found} == {1, 3}
    for life in found:
        case = _case(life, _handed_in(), all_lives=found)
        assert judge(case).findings == ()
        half = replace(case, captures=case.captures[:-1])
        assert judge(half).findings != ()


def test_what_a_page_said_is_paid_was_taken() -> None:
    """Also where the life in which nothing was handed in explains everything else."""
    found = _lives([_handed_in()], card=DIES, more=NEW)
    life = next(each for each in found if len(each.charges) == 1)
    invoice = keys.invoice_id(keys.period_invoice(SUB, 1))
    case = _case(life, _handed_in(), all_lives=found)
    assert judge(case).lost == 0
    sentence = judge(replace(case, told_paid=frozenset({invoice})))
    assert sentence.lost == 1
    assert "the page said that it is paid, and nothing was taken" in _problems(sentence)


def test_one_window_hands_in_one_thing_after_the_other_and_two_windows_in_any_order() -> None:
    more = NEW | {"pm_3": "pm_card_chargeDeclinedInsufficientFunds:cus_1"}

    def last_cards(*asked: Asked) -> set[str | None]:
        obeyed = [life for life in _lives(asked, card=DIES, more=more) if {"t1", "t2"} <= set(life.state.applied)]
        return {life.state.payment_method_id for life in obeyed}

    first = _handed_in("t1", "pm_3")
    assert last_cards(first, _handed_in("t2", "pm_2")) == {"pm_2"}
    assert last_cards(first, _handed_in("t2", "pm_2", window="cs_2")) == {"pm_2", "pm_3"}


def test_a_bank_that_nobody_answers_holds_the_invoice_until_dunning_ends() -> None:
    left = _handed_in()
    found = _lives([left], card=DIES, more={"pm_2": "pm_card_authenticationRequired:cus_1"})
    assert {len(life.charges) for life in found} == {1}
    assert all(life.open == {} for life in found)
    assert {life.state.status for life in found} == {Status.CANCELED}


def test_three_d_secure_is_passed_by_whoever_sits_before_the_page_and_by_nobody_else() -> None:
    """The old card was quicker, the new one only kept: its bank asks at the next renewal, when nobody is there."""
    card = "pm_card_threeDSecureOnce:cus_1"
    passed = _lives([_handed_in()], card=DIES, more={"pm_2": card})
    assert 3 in {len(life.charges) for life in passed}
    kept = _lives([_handed_in()], card="pm_card_visa", more={"pm_2": card})
    assert {(len(life.charges), life.state.status) for life in kept if life.state.payment_method_id == "pm_2"} == {
        (2, Status.CANCELED),
        (1, Status.CANCELED),
    }
