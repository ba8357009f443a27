"""Every test card does what its name says, over a row of charges."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic, sleep
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event

from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import (
    ChargeRequest,
    ChargeStatus,
    GatewayOutcomeUnknown,
    GatewayRefused,
    GatewayUnavailable,
    RefundRequest,
    RefundStatus,
)

Ask = Callable[..., ChargeRequest]
PAID, DECLINED = ChargeStatus.SUCCEEDED, ChargeStatus.DECLINED


def codes(gateway: SimulatorGateway, ask: Ask, token: str, times: int) -> list[str | None]:
    return [gateway.charge(ask(token)).decline_code for _ in range(times)]


def test_declines_n_times_then_pays(gateway: SimulatorGateway, ask: Ask) -> None:
    assert codes(gateway, ask, "pm_card_declines_2_times", 4) == ["insufficient_funds"] * 2 + [None] * 2


def test_dies_after_n(gateway: SimulatorGateway, ask: Ask) -> None:
    assert codes(gateway, ask, "pm_card_dies_after_2", 4) == [None, None, "expired_card", "expired_card"]


def test_declines_a_range(gateway: SimulatorGateway, ask: Ask) -> None:
    token = "pm_card_declines_charges_2_to_3"
    assert codes(gateway, ask, token, 4) == [None, "insufficient_funds", "insufficient_funds", None]


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("pm_card_networkResponse43", ("stolen_card", "43", None)),
        ("pm_card_networkAdvice03:ada", ("do_not_honor", None, "03")),
        ("pm_card_mastercardInsufficientFunds", ("insufficient_funds", None, None)),
    ],
)
def test_the_networks_words_are_told_whenever_it_is_asked(
    gateway: SimulatorGateway, ask: Ask, token: str, words: tuple[str, str | None, str | None]
) -> None:
    request = ask(token)
    told = [gateway.charge(request), gateway.charge(request), gateway.find_charge(request.key)]
    assert [(each.decline_code, each.response_code, each.advice_code) for each in told if each] == [words] * 3


def test_suffixes_and_customers_count_apart(gateway: SimulatorGateway, ask: Ask) -> None:
    for token in ("pm_card_declines_1_times:a", "pm_card_declines_1_times:b"):
        assert codes(gateway, ask, token, 2) == ["insufficient_funds", None]
    assert (
        gateway.charge(replace(ask("pm_card_declines_1_times:a"), customer_reference=f"cus_{uuid4()}")).status
        is DECLINED
    )


def test_a_repeated_key_is_no_further_charge(gateway: SimulatorGateway, ask: Ask) -> None:
    first = ask("pm_card_declines_1_times")
    for _ in range(3):
        assert gateway.charge(first).decline_code == "insufficient_funds"
    assert gateway.charge(ask("pm_card_declines_1_times")).status is PAID


def test_one_key_twice_at_once_counts_once(gateway: SimulatorGateway, ask: Ask) -> None:
    for _ in range(10):
        token = f"pm_card_dies_after_2:{uuid4()}"
        request = ask(token)
        with ThreadPoolExecutor(4) as pool:
            answers = set(pool.map(gateway.charge, [request] * 4))
        assert [answer.status for answer in answers] == [PAID]
        assert codes(gateway, ask, token, 2) == [None, "expired_card"]


def test_many_keys_at_once_are_each_counted(gateway: SimulatorGateway, ask: Ask) -> None:
    token = "pm_card_declines_5_times"
    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(gateway.charge, [ask(token) for _ in range(20)]))
    assert sum(result.status is DECLINED for result in results) == 5


def test_authentication_is_asked_every_time_off_session(gateway: SimulatorGateway, ask: Ask) -> None:
    token = "pm_card_authenticationRequired"
    for _ in range(2):
        asked = gateway.charge(ask(token))
        assert asked.action_url == f"/simulator/authenticate/{asked.gateway_ref}"
        assert gateway.authenticate(asked.gateway_ref, success=True).status is PAID
    assert gateway.charge(ask(token, off_session=False)).status is PAID


def test_authentication_once_is_asked_until_it_has_succeeded(gateway: SimulatorGateway, ask: Ask) -> None:
    token = "pm_card_threeDSecureOnce"
    failed = gateway.charge(ask(token))
    gateway.authenticate(failed.gateway_ref, success=False)
    passed = gateway.charge(ask(token, off_session=False))
    assert passed.status is ChargeStatus.REQUIRES_ACTION
    gateway.authenticate(passed.gateway_ref, success=True)
    assert gateway.charge(ask(token)).status is PAID


def test_authentication_of_nothing_is_refused(gateway: SimulatorGateway) -> None:
    with pytest.raises(GatewayRefused):
        gateway.authenticate("ch_of_nobody", success=True)


def test_a_lost_answer_is_lost_once_a_key(gateway: SimulatorGateway, ask: Ask) -> None:
    for _ in range(2):
        request = ask("pm_card_captures_then_times_out")
        with pytest.raises(GatewayOutcomeUnknown):
            gateway.charge(request)
        assert gateway.find_charge(request.key).status is PAID
        assert gateway.charge(request).status is PAID


def test_a_time_out_before_the_capture(gateway: SimulatorGateway, ask: Ask) -> None:
    request = ask("pm_card_times_out_before_capture")
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.charge(request)
    assert gateway.find_charge(request.key) is None
    assert gateway.charge(request).status is PAID


def test_an_outage_of_n_calls(gateway: SimulatorGateway, ask: Ask) -> None:
    request = ask("pm_card_outage_2")
    for _ in range(2):
        with pytest.raises(GatewayUnavailable):
            gateway.charge(request)
    assert gateway.find_charge(request.key) is None
    assert gateway.charge(request).status is PAID


def test_a_slow_card_takes_its_time(gateway: SimulatorGateway, ask: Ask) -> None:
    before = monotonic()
    assert gateway.charge(ask("pm_card_slow_120")).status is PAID
    assert monotonic() - before >= 0.12


@pytest.mark.parametrize(
    ("token", "end", "code"),
    [
        ("pm_card_processing_50", PAID, None),
        ("pm_card_processing_fails_50", DECLINED, "generic_decline"),
    ],
)
def test_processing_ends_by_itself(
    gateway: SimulatorGateway, ask: Ask, token: str, end: ChargeStatus, code: str | None
) -> None:
    request = ask(token)
    assert gateway.charge(request).status is ChargeStatus.PROCESSING
    sleep(0.06)
    found = gateway.find_charge(request.key)
    assert (found.status, found.decline_code) == (end, code)
    assert gateway.charge(request) == found


def test_a_refund_can_fail(gateway: SimulatorGateway, ask: Ask) -> None:
    request = ask("pm_card_refundFail")
    paid = gateway.charge(request)
    refund = RefundRequest(f"refund:{uuid4()}:1", request.key, paid.gateway_ref, 1000, "USD")
    result = gateway.refund(refund)
    assert (result.status, result.failure_code) == (RefundStatus.FAILED, "lost_or_stolen_card")


def test_a_successful_charge_is_one_statement(gateway: SimulatorGateway, engine: Engine, ask: Ask) -> None:
    """The hot path of every renewal. It commits by itself: the connection is in autocommit."""
    gateway.charge(ask())
    sent: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        assert gateway.charge(ask()).status is PAID
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(sent) == 1
