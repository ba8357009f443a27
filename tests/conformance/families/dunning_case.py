"""Plays one dunning case on the real state machine: a subscription whose renewal has just failed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from perennial.domain import subscription as engine
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import PlanTerms
from perennial.domain.dunning import DunningPolicy, FinalAction, HardDecline
from perennial.domain.pricing import Flat
from perennial.domain.subscription import State, Status
from perennial.domain.subscription.commands import Command, RetryPayment, SetPaymentMethod
from perennial.domain.subscription.effects import CloseInvoice, Collect, Decision, PaymentFact, PaymentStatus
from perennial.domain.subscription.state import Collection
from tests.conformance.schema import Malformed, instant

INVOICE = "invoice:sub_case:0:period"


def play(case: dict[str, Any]) -> dict[str, Any]:
    """Due things and events in their order, until the case is closed; the outcomes answer the attempts."""
    state = _failed_renewal(case)
    game = _Game(iter(case["outcomes"]), instant(case["first_failure_at"]))
    declined = PaymentFact(INVOICE, PaymentStatus.DECLINED, 0, game.now, case["first_failure_code"])
    state = game.run(engine.settle(state, declined, game.now), None)
    events = sorted(case.get("events", ()), key=lambda event: instant(event["at"]))
    while not _is_closed(state):
        due = engine.next_due(state)
        assert due, "an open case always has an end ahead"
        if events and instant(events[0]["at"]) < due.at:
            event = events.pop(0)
            game.now = instant(event["at"])
            command = _command(event["type"], len(events))
            state = game.run(engine.decide(state, command, game.now), event["outcome"])
        else:
            game.now = due.at
            state = game.run(engine.act(state, due), None)
    if unused := [*game.outcomes, *events]:
        raise Malformed(f"the case closed before {unused}")
    return {
        "attempts": game.attempts,
        "end_state": _end_state(state, game),
        "ended_at": game.now,
        "access_suspended_at": game.suspended_at,
    }


class _Game:
    """The world around the engine: it answers attempts and remembers what was done."""

    def __init__(self, outcomes: Iterator[str], now: datetime) -> None:
        self.outcomes = outcomes
        self.now = now
        self.attempts: list[dict[str, Any]] = []
        self.suspended_at: datetime | None = None

    def run(self, decision: Decision, outcome: str | None) -> State:
        if any(message.kind == "access_suspended" for message in decision.messages):
            self.suspended_at = self.now
        state = decision.state
        for effect in decision.effects:
            state = self.run(engine.settle(state, self._fact(effect, outcome), self.now), None)
        return state

    def _fact(self, effect: object, outcome: str | None) -> PaymentFact:
        if isinstance(effect, CloseInvoice):
            return PaymentFact(effect.invoice, PaymentStatus.CLOSED, 0, self.now)
        assert isinstance(effect, Collect)
        code = outcome if outcome is not None else next(self.outcomes, None)
        assert code is not None, f"an attempt by {effect.trigger} at {self.now} that the case has no outcome for"
        n = len(self.attempts) + 1
        self.attempts.append({"n": n, "at": self.now, "trigger": effect.trigger.value, "outcome": code})
        paid = code == "succeeded"
        status = PaymentStatus.PAID if paid else PaymentStatus.DECLINED
        return PaymentFact(effect.invoice, status, effect.attempt, self.now, None if paid else code)


def _failed_renewal(case: dict[str, Any]) -> State:
    policy = case["policy"]
    terms = PlanTerms(
        code="plan",
        version=1,
        name="Plan",
        interval=Interval(IntervalUnit.YEAR, 10),  # no renewal comes in between
        currency="USD",
        price=Flat(Decimal(25)),
        dunning=DunningPolicy(
            retry_offsets_days=tuple(policy["retry_offsets_days"]),
            grace_days=policy["grace_days"],
            final_action=FinalAction(policy["final_action"]),
            on_hard_decline=HardDecline(policy["on_hard_decline"]),
        ),
    )
    opened = engine.open_subscription(
        engine.Opening(
            id="sub_case",
            customer_id="cus_case",
            terms=terms,
            quantity=1,
            timezone=case["timezone"],
            start=instant(case["first_failure_at"]),
            payment_method_id="pm_old",
        )
    )
    collection = Collection(invoice=INVOICE, attempt=0, in_flight=True)
    return replace(opened, status=Status.ACTIVE, incomplete_until=None, collection=collection)


def _command(kind: str, n: int) -> Command:
    match kind:
        case "customer_retry":
            return RetryPayment(request_id=f"retry-{n}")
        case "payment_method_updated":
            return SetPaymentMethod(request_id=f"method-{n}", payment_method_id=f"pm_new_{n}")
        case _:
            raise Malformed(f"{kind} is no event of a case")


def _is_closed(state: State) -> bool:
    return state.collection is None or state.status is Status.UNPAID


def _end_state(state: State, game: _Game) -> str:
    if state.status is not Status.ACTIVE:
        return state.status.value
    return "recovered" if game.attempts and game.attempts[-1]["outcome"] == "succeeded" else "skipped"
