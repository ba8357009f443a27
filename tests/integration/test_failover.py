"""A gateway that is out of order: the next one is asked, and over both their books a charge is captured once."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perennial.backup.look_only import LookOnly, Memory
from perennial.db.repositories import payments
from perennial.domain import keys
from perennial.domain.subscription.effects import PaymentFact, PaymentStatus
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import NO_FAULTS, SimulatorFaults, SimulatorGateway, set_faults
from perennial.ports import ChargeRequest
from tests.support.executions import AMOUNT, NOW, Debt, Killed, Switch, frozen_at, kill_at

FIRST, SECOND = "simulator", "simulator_2"
# How often the first gateway refuses: once, then it works again; as long as anybody asks.
ONCE, ALWAYS = "pm_card_outage_1", "pm_card_outage_9999"
# The steps from the issue to the payment, when the first gateway refuses.
STEPS = [
    "committed",
    f"charge {FIRST}",
    f"charge {FIRST} over",
    "committed",
    f"charge {SECOND}",
    f"charge {SECOND} over",
    "committed",
]


@pytest.fixture(scope="module")
def two(paper_books: Engine) -> Gateways:
    gateways = [SimulatorGateway(paper_books.db, webhook_secret="s" * 16, name=name) for name in (FIRST, SECOND)]
    for gateway in gateways:
        gateway.create_schema()
    return Gateways(*gateways)


@pytest.fixture
def owes(paper_books: Engine, two: Gateways) -> "Owes":
    return Owes(paper_books, two)


class Owes:
    def __init__(self, engine: Engine, gateways: Gateways) -> None:
        self._engine, self._gateways = engine, gateways

    def __call__(self, first: str = ONCE, second: str = "pm_card_visa") -> Debt:
        return Debt(self._engine, self._gateways, (first, second))


def until_paid(debt: Debt) -> None:
    """What Temporal does: the activity again, until it answers."""
    for _ in range(4):
        try:
            assert debt.bill().status is PaymentStatus.PAID
        except ApplicationError:
            continue
        return
    pytest.fail("it is never paid")


def test_without_an_outage_the_first_is_asked_and_nobody_else(owes: Owes) -> None:
    debt = owes("pm_card_visa", "pm_card_visa")
    assert debt.steps() == STEPS[:3] + STEPS[-1:]
    assert debt.paid_once() == FIRST


def test_an_outage_is_passed_by_and_the_row_says_so_before_the_next_is_asked(owes: Owes) -> None:
    debt = owes(ALWAYS)
    assert debt.steps() == STEPS
    assert debt.paid_once() == SECOND


def test_everything_that_comes_later_asks_the_gateway_of_the_row(owes: Owes) -> None:
    """Told again after a reset: nothing is sent any more."""
    debt, seen = owes(ALWAYS), list[str]()
    debt.bill()
    debt.bill(seen.append)
    assert seen == ["committed", "committed"]
    assert debt.paid_once() == SECOND


@pytest.mark.parametrize("lost", ["pm_card_captures_then_times_out", "pm_card_times_out_before_capture"])
def test_an_unknown_outcome_stays_where_it_is(owes: Owes, lost: str) -> None:
    debt = owes(lost)
    with pytest.raises(ApplicationError, match="no answer"):
        debt.bill()
    assert [row.gateway for row in debt.attempts()] == [FIRST]
    until_paid(debt)
    assert debt.paid_once() == FIRST


def test_a_decline_is_an_answer_and_no_reason_to_ask_another(owes: Owes) -> None:
    debt = owes("pm_card_chargeDeclined")
    assert debt.bill().status is PaymentStatus.DECLINED
    assert debt.captures() == []


def test_an_unknown_outcome_at_the_second_stays_there(owes: Owes) -> None:
    """And the first one works again meanwhile: it is not asked."""
    debt = owes(ONCE, "pm_card_captures_then_times_out")
    with pytest.raises(ApplicationError, match="no answer"):
        debt.bill()
    until_paid(debt)
    assert debt.paid_once() == SECOND


def test_when_both_are_out_it_waits_for_the_one_that_was_asked_last(owes: Owes) -> None:
    debt = owes(ONCE, "pm_card_outage_2")
    with pytest.raises(ApplicationError, match="503"):
        debt.bill()
    assert [row.gateway for row in debt.attempts()] == [SECOND]
    until_paid(debt)
    assert debt.paid_once() == SECOND


def test_a_retry_fails_over_as_well(owes: Owes, paper_books: Engine) -> None:
    debt = owes("pm_card_declines_charges_1_to_1", "pm_card_visa")
    assert debt.bill().status is PaymentStatus.DECLINED
    books = debt.gateways[FIRST].books  # type: ignore[attr-defined]
    set_faults(books, SimulatorFaults(rate_limit_every=1))
    try:
        # A process that has not looked at the faults yet.
        debt.gateways = Gateways(
            SimulatorGateway(paper_books.db, webhook_secret="s" * 16, name=FIRST), debt.gateways[SECOND]
        )
        assert debt.collect().status is PaymentStatus.PAID
    finally:
        set_faults(books, NO_FAULTS)
    assert [(row.n, row.gateway, row.status) for row in debt.attempts()] == [
        (1, FIRST, "declined"),
        (2, SECOND, "succeeded"),
    ]


# --- killed, frozen, overtaken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("outage", [ONCE, ALWAYS, "pm_card_outage_2"])
@pytest.mark.parametrize("n", range(len(STEPS)), ids=[f"{n} {step}" for n, step in enumerate(STEPS)])
def test_killed_at_any_step(owes: Owes, n: int, outage: str) -> None:
    """The next worker finds a row and cannot know what was sent: it asks that row's gateway and no other.

    Where that one stays out of order for ever, the money waits.
    """
    debt = owes(outage)
    with pytest.raises(Killed):
        debt.bill(kill_at(n))
    if outage == ALWAYS and [row.gateway for row in debt.attempts()] == [FIRST]:
        for _ in range(3):
            with pytest.raises(ApplicationError, match="503"):
                debt.bill()
        assert debt.captures() == []
        return
    until_paid(debt)
    debt.paid_once()


@pytest.mark.parametrize("again", [1, 2, 4])
@pytest.mark.parametrize("n", range(1, len(STEPS)))
def test_killed_twice(owes: Owes, n: int, again: int) -> None:
    debt = owes(ONCE)
    with pytest.raises(Killed):
        debt.bill(kill_at(n))
    with suppress(Killed, ApplicationError):
        debt.bill(kill_at(again))
    until_paid(debt)
    debt.paid_once()


@pytest.mark.parametrize("outage", [ONCE, "pm_card_outage_2", "pm_card_outage_3"])
@pytest.mark.parametrize("n", range(len(STEPS)), ids=[f"{n} {step}" for n, step in enumerate(STEPS)])
def test_frozen_at_any_step_while_another_worker_goes_on(owes: Owes, n: int, outage: str) -> None:
    """The worker that was given up wakes and goes on as if nothing had been; the gateways have changed meanwhile."""
    debt = owes(outage)
    with frozen_at(n, debt.bill):
        until_paid(debt)
    until_paid(debt)
    debt.paid_once()


@pytest.fixture
def switch(paper_books: Engine, two: Gateways) -> "tuple[Switch, Debt]":
    """A debt whose first gateway goes out of order and back as the test says."""
    first = Switch(two[FIRST])  # type: ignore[arg-type]
    return first, Debt(paper_books, Gateways(first, two[SECOND]), ("pm_card_visa", "pm_card_visa"))


@pytest.mark.parametrize("outages", [(True, False, True), (False, False, True)])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_both_frozen_in_turn(switch: "tuple[Switch, Debt]", n: int, m: int, outages: tuple[bool, ...]) -> None:
    """The first sleeps, the second sleeps in the middle of its own work, the first wakes, then the second.

    Meanwhile the first gateway is in order or not: when the one begins, when the other does, when the one wakes.
    """
    (gateway, debt), (at_first, at_second, at_waking) = switch, outages
    gateway.out = at_first
    first, second = frozen_at(n, debt.bill), frozen_at(m, debt.bill)
    with ExitStack() as sleeper:
        with first:
            gateway.out = at_second
            sleeper.enter_context(second)
            gateway.out = at_waking
        gateway.out = False
    until_paid(debt)
    debt.paid_once()


def test_it_is_the_hold_that_keeps_it_from_being_taken_twice(
    switch: "tuple[Switch, Debt]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The story that the tests above are about, with the hold switched off: the money is taken at both gateways."""
    gateway, debt = switch
    monkeypatch.setattr(
        payments, "hold", lambda session, attempt: payments.find(session, keys.invoice_id(debt.invoice), 1)
    )
    with ExitStack() as sleeper, frozen_at(1, debt.bill):
        sleeper.enter_context(frozen_at(5, debt.bill))
        gateway.out = True
    assert sorted(name for name, _ in debt.captures()) == [FIRST, SECOND]


@pytest.mark.parametrize("m", range(1, 9))
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_frozen_while_a_later_attempt_is_frozen_too(switch: "tuple[Switch, Debt]", n: int, m: int) -> None:
    """The later attempt withdraws the first one and sleeps before it has said so; the first wakes to an outage."""
    gateway, debt = switch
    first, second = frozen_at(n, debt.bill), frozen_at(m, lambda step: debt.collect(step=step))
    with ExitStack() as sleeper:
        with first:
            sleeper.enter_context(second)
            gateway.out = True
        gateway.out = False
    collected(debt)
    debt.paid_once()


@pytest.mark.parametrize("outage", [ONCE, "pm_card_outage_2"])
@pytest.mark.parametrize("n", range(1, len(STEPS)), ids=[f"{n} {step}" for n, step in enumerate(STEPS[1:], 1)])
def test_frozen_at_any_step_while_a_later_attempt_is_made(owes: Owes, n: int, outage: str) -> None:
    """The later attempt withdraws the first one at the gateway where it is, and it stays there."""
    debt = owes(outage)
    with frozen_at(n, debt.bill):
        collected(debt)
    debt.paid_once()


def collected(debt: Debt) -> None:
    """The second attempt again and again, until it answers."""
    for _ in range(4):
        with suppress(ApplicationError):
            debt.collect()
            return
    pytest.fail("it is never collected")


class Again(Debt):
    """As a second attempt: it looks before it does anything."""

    def run(self, activity: Callable[..., Any], task: Any) -> Any:
        environment = ActivityEnvironment()
        environment.info = replace(ActivityEnvironment.default_info(), attempt=2)
        return environment.run(activity, task)


def test_what_the_second_had_captured_is_found_there_when_rows_are_written_again(
    owes: Owes, paper_books: Engine, two: Gateways
) -> None:
    """After a restore of an older database (`perennial.backup.recover`): the row that said where it went is lost."""
    debt = owes(ALWAYS)
    key = keys.charge(debt.invoice, 1)
    two[SECOND].charge(ChargeRequest(key, AMOUNT, "USD", "pm_card_visa", debt.name))
    memory = Memory(PaymentFact(debt.invoice, PaymentStatus.PAID, 1, NOW))
    looking = Again.__new__(Again)
    vars(looking).update(vars(debt) | {"gateways": two.each(lambda gateway: LookOnly(gateway, memory))})
    assert looking.bill().status is PaymentStatus.PAID
    assert debt.paid_once() == SECOND
