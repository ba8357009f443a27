"""What a process counts: renewals and how late they are, charges by outcome, gateways that do not answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perennial.contracts.activities import BillTask, Record, Subject
from perennial.domain import subscription as core
from perennial.domain.subscription.effects import Bill
from perennial.engine.context import Engine
from perennial.observability import metrics
from perennial.observability.gateway import counted
from perennial.observability.metrics import REGISTRY
from perennial.ports import ChargeRequest, GatewayOutcomeUnknown, PaymentGateway
from tests.support.stage import Stage


class Counter:
    """How much a series has grown since."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = self._now()

    def _now(self) -> float:
        return REGISTRY.get_sample_value(self._name, self._labels) or 0

    @property
    def grown(self) -> float:
        return self._now() - self._before


async def test_renewals_on_test_clocks_are_counted_apart_and_never_late(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-01-31 10:00")
    test, real = (Counter("perennial_renewals_total", clock=name) for name in ("test", "real"))
    late = Counter("perennial_renewal_lateness_seconds_count")
    await stage.subscribe(clock)
    await stage.advance(clock, "2026-04-01 10:00")
    assert (test.grown, real.grown, late.grown) == (2, 0, 0)


async def test_lateness_is_from_the_due_instant_to_the_invoice(engine: Engine) -> None:
    stage = Stage(engine)
    state = await stage.state(await stage.subscribe(await stage.clock("2026-01-31 10:00")))
    due = core.next_due(state)
    assert due is not None
    decision = core.act(state, due)
    [bill] = [effect for effect in decision.effects if isinstance(effect, Bill)]
    record = Record(replace(decision.state, test_clock_id=None))
    task = BillTask(Subject(state.customer_id, state.id), bill, due.at, record)
    real, seconds = Counter("perennial_renewals_total", clock="real"), Counter("perennial_renewal_lateness_seconds_sum")
    short, long = (Counter("perennial_renewal_lateness_seconds_bucket", le=le) for le in ("30.0", "60.0"))
    metrics.billed(task, due.at + timedelta(seconds=42))
    assert (real.grown, short.grown, long.grown) == (1, 0, 1)
    # A difference of two sums of floats: what was renewed in this process before is in both.
    assert seconds.grown == pytest.approx(42)
    first = replace(task, effect=replace(bill, draft=replace(bill.draft, reason="first_period")))
    metrics.billed(first, due.at)
    assert real.grown == 1, "a first period is no renewal"


async def test_charges_are_counted_by_outcome_and_class(engine: Engine) -> None:
    stage = Stage(engine)
    outcomes = {
        name: Counter("perennial_charges_total", gateway="simulator", outcome=outcome, decline_class=kind)
        for name, outcome, kind in (
            ("paid", "succeeded", ""),
            ("soft", "declined", "soft"),
            ("hard", "declined", "hard"),
            ("asks", "requires_action", ""),
        )
    }
    for card in ("pm_card_visa", "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedStolenCard",
                 "pm_card_authenticationRequired"):  # fmt: skip
        await stage.subscribe(await stage.clock("2026-01-31 10:00"), card=card)
    assert {name: counter.grown for name, counter in outcomes.items()} == dict.fromkeys(outcomes, 1)


class _Lost:
    name = "lost"

    def charge(self, request: object) -> None:
        raise GatewayOutcomeUnknown("no answer")

    def find_charge(self, key: str) -> None:
        return None


def test_what_a_gateway_does_not_answer_is_a_failure_with_an_outcome() -> None:
    gateway: Any = counted(_Lost())  # type: ignore[arg-type]
    failed = Counter("perennial_gateway_failures_total", gateway="lost", call="charge", error="gateway_outcome_unknown")
    charged = Counter("perennial_charges_total", gateway="lost", outcome="gateway_outcome_unknown", decline_class="")
    calls = Counter("perennial_gateway_seconds_count", gateway="lost", call="charge")
    asked = Counter("perennial_gateway_seconds_count", gateway="lost", call="find_charge")
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.charge(ChargeRequest("charge:x:1", 100, "USD", "tok", "cus_1"))
    assert gateway.find_charge("charge:x:1") is None
    assert (failed.grown, charged.grown, calls.grown, asked.grown) == (1, 1, 1, 1)


def test_a_counted_gateway_is_a_gateway(engine: Engine) -> None:
    gateway = counted(engine.gateway)
    assert isinstance(gateway, PaymentGateway)
    assert (gateway.name, gateway.capabilities) == (engine.gateway.name, engine.gateway.capabilities)
