"""Faults of the whole gateway: set by anybody, counted, and never a reason to charge twice."""

from collections.abc import Callable
from time import monotonic, sleep

import pytest
from sqlalchemy import Engine

from perennial.db.engine import make_engine
from perennial.gateways.simulator import (
    NO_FAULTS,
    SimulatorFaults,
    SimulatorGateway,
    injected,
    set_faults,
    witness,
)
from perennial.ports import ChargeRequest, ChargeStatus, GatewayOutcomeUnknown, GatewayUnavailable

Ask = Callable[..., ChargeRequest]


def outcomes(gateway: SimulatorGateway, ask: Ask, times: int) -> list[str]:
    seen = []
    for _ in range(times):
        try:
            seen.append(gateway.charge(ask()).status.value)
        except (GatewayOutcomeUnknown, GatewayUnavailable) as error:
            seen.append(error.code)
    return seen


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("lose_answer_every", "gateway_outcome_unknown"),
        ("error_every", "gateway_outcome_unknown"),
        ("rate_limit_every", "gateway_unavailable"),
    ],
)
def test_every_nth_call_is_hit(engine: Engine, gateway: SimulatorGateway, ask: Ask, setting: str, code: str) -> None:
    before = injected(engine).get(setting, 0)
    set_faults(engine, SimulatorFaults(**{setting: 3}))
    assert outcomes(gateway, ask, 7) == ["succeeded", "succeeded", code] * 2 + ["succeeded"]
    assert injected(engine)[setting] - before == 2


def test_a_lost_answer_has_taken_the_money_and_an_error_has_not(
    engine: Engine, gateway: SimulatorGateway, ask: Ask
) -> None:
    for faults, found in (
        (SimulatorFaults(lose_answer_every=1), ChargeStatus.SUCCEEDED),
        (SimulatorFaults(error_every=1), None),
    ):
        set_faults(engine, faults)
        sleep(0.3)
        request = ask()
        with pytest.raises(GatewayOutcomeUnknown):
            gateway.charge(request)
        charge = gateway.find_charge(request.key)
        assert (charge and charge.status) == found
        set_faults(engine, NO_FAULTS)
        sleep(0.3)
        gateway.charge(request)
        assert [c.charge_key for c in witness(engine).captures].count(request.key) == 1


def test_another_process_is_obeyed_within_half_a_second(engine: Engine, gateway: SimulatorGateway, ask: Ask) -> None:
    gateway.charge(ask())
    elsewhere = make_engine(engine.url.render_as_string(hide_password=False))
    set_faults(elsewhere, SimulatorFaults(rate_limit_every=1))
    elsewhere.dispose()
    sleep(0.5)
    with pytest.raises(GatewayUnavailable):
        gateway.charge(ask())


def test_latency(engine: Engine, gateway: SimulatorGateway, ask: Ask) -> None:
    set_faults(engine, SimulatorFaults(latency_ms=80))
    before = monotonic()
    gateway.charge(ask())
    assert monotonic() - before >= 0.08


def test_without_its_database_the_simulator_gives_no_answer(ask: Ask) -> None:
    nowhere = make_engine("postgresql+psycopg2://postgres@127.0.0.1:1/none")
    gateway = SimulatorGateway(nowhere, webhook_secret="whsec")
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.charge(ask())
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.find_charge("charge:inv:1")
    nowhere.dispose()
