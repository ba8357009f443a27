"""Stripe's answer is lost or an error, and its memory of idempotency keys is gone: money moves once all the same."""

import socket
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from perennial.gateways.stripe import StripeGateway
from perennial.gateways.stripe.transport import NoAnswer, NotSent, Transport
from perennial.ports import (
    ChargeRequest,
    ChargeStatus,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRefused,
    GatewayUnavailable,
    RefundRequest,
    RefundStatus,
)
from tests.contracts.adapters import SECRET
from tests.support.stripe.server import Fault, StandIn
from tests.support.stripe.world import new_card, stripe_gateway

CREATE, CONFIRM, REFUND = "PostPaymentIntents", "PostPaymentIntentsIntentConfirm", "PostRefunds"
ATTACH, CUSTOMER, CARD = "PostPaymentMethodsPaymentMethodAttach", "PostCustomers", "GetPaymentMethodsPaymentMethod"

Ask = Callable[[], ChargeRequest]


@pytest.fixture
def ask(stand: StandIn) -> Ask:
    """A charge of a new card of a new customer."""

    def make() -> ChargeRequest:
        return ChargeRequest(f"charge:{uuid4()}:1", 1999, "USD", new_card(stand), f"cus_{uuid4()}")

    return make


@pytest.fixture(autouse=True)
def faultless(stand: StandIn) -> Iterator[None]:
    yield
    stand.faults.clear()


def captures(stand: StandIn, request: ChargeRequest) -> int:
    """How often money was taken, as the stand-in's own books have it."""
    ours = [raw for raw in stand.intents() if raw["metadata"].get("charge_key") == request.key]
    return sum(raw["status"] == "succeeded" for raw in ours)


def test_captured_and_lost_is_found_without_any_idempotency_key(
    stripe: StripeGateway, stand: StandIn, ask: Ask
) -> None:
    request = ask()
    with stand.forgetting_keys():
        stand.faults[CONFIRM] = [Fault.ANSWER_LOST]
        with pytest.raises(GatewayOutcomeUnknown):
            stripe.charge(request)
        found = stripe.find_charge(request.key)
        assert found is not None
        assert found.status is ChargeStatus.SUCCEEDED
        assert stripe.charge(request) == found
    assert captures(stand, request) == 1


@pytest.mark.parametrize("operation", [CARD, CUSTOMER, ATTACH, CREATE, CONFIRM])
@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.LOST_BEFORE, Fault.FAILS, Fault.TOO_MANY])
def test_another_worker_finishes_what_one_could_not(
    stripe: StripeGateway, stand: StandIn, gateway_engine: Engine, ask: Ask, operation: str, fault: Fault
) -> None:
    request = ask()
    with stand.forgetting_keys():
        stand.faults[operation] = [fault]
        with pytest.raises(GatewayError) as failure:
            stripe.charge(request)
        nothing_done = fault is Fault.TOO_MANY
        assert isinstance(failure.value, GatewayUnavailable if nothing_done else GatewayOutcomeUnknown)
        other = stripe_gateway(stand, gateway_engine, SECRET)
        result = other.find_charge(request.key) or other.charge(request)
        other.close()
    assert result.status is ChargeStatus.SUCCEEDED
    assert captures(stand, request) == 1
    assert stripe.find_charge(request.key) == result


def test_an_answer_of_500_is_not_repeated_for_a_day(stripe: StripeGateway, stand: StandIn, ask: Ask) -> None:
    request = ask()
    stand.faults |= {CUSTOMER: [Fault.FAILS], CREATE: [Fault.FAILS]}
    for _ in range(2):
        with pytest.raises(GatewayOutcomeUnknown):
            stripe.charge(request)
    assert stripe.charge(request).status is ChargeStatus.SUCCEEDED
    keys = [call.key for call in stand.calls(CREATE)][-2:]
    assert keys == [request.key, f"{request.key}#1"]


def test_a_held_object_is_waited_for(stripe: StripeGateway, stand: StandIn, ask: Ask) -> None:
    stand.faults[CONFIRM] = [Fault.HELD, Fault.HELD]
    assert stripe.charge(ask()).status is ChargeStatus.SUCCEEDED


def test_a_payment_that_was_made_but_not_confirmed_is_withdrawn(
    stripe: StripeGateway, stand: StandIn, ask: Ask
) -> None:
    request = ask()
    stand.faults[CONFIRM] = [Fault.LOST_BEFORE]
    with pytest.raises(GatewayOutcomeUnknown):
        stripe.charge(request)
    assert stripe.find_charge(request.key) is None
    assert stripe.cancel_charge(request.key).status is ChargeStatus.CANCELED
    assert stripe.charge(request).status is ChargeStatus.CANCELED
    assert captures(stand, request) == 0


def test_a_withdrawal_between_two_tries_bars_the_second(stripe: StripeGateway, stand: StandIn, ask: Ask) -> None:
    request = ask()
    stand.faults[CREATE] = [Fault.ANSWER_LOST]
    with pytest.raises(GatewayOutcomeUnknown):
        stripe.charge(request)
    assert stripe.cancel_charge(request.key).status is ChargeStatus.CANCELED
    assert stripe.charge(request).status is ChargeStatus.CANCELED
    assert captures(stand, request) == 0


def test_a_withdrawal_that_comes_while_the_payment_is_made_bars_its_confirmation(
    stripe: StripeGateway, stand: StandIn, ask: Ask
) -> None:
    request = ask()
    stand.before(CREATE, lambda: stripe.cancel_charge(request.key))
    assert stripe.charge(request).status is ChargeStatus.CANCELED
    assert captures(stand, request) == 0


def test_a_withdrawal_that_comes_before_the_confirmation_wins(stripe: StripeGateway, stand: StandIn, ask: Ask) -> None:
    request = ask()
    stand.before(CONFIRM, lambda: stripe.cancel_charge(request.key))
    assert stripe.charge(request).status is ChargeStatus.CANCELED
    assert captures(stand, request) == 0


def test_a_withdrawal_after_a_lost_capture_is_too_late(stripe: StripeGateway, stand: StandIn, ask: Ask) -> None:
    request = ask()
    stand.faults[CONFIRM] = [Fault.ANSWER_LOST]
    with pytest.raises(GatewayOutcomeUnknown):
        stripe.charge(request)
    assert stripe.cancel_charge(request.key).status is ChargeStatus.SUCCEEDED


def test_the_same_charge_while_it_is_made_takes_money_once(stripe: StripeGateway, stand: StandIn, ask: Ask) -> None:
    request = ask()
    with stand.forgetting_keys():
        stand.before(CREATE, lambda: stripe.charge(request))
        assert stripe.charge(request).status is ChargeStatus.SUCCEEDED
    assert captures(stand, request) == 1


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.LOST_BEFORE])
def test_a_refund_whose_answer_was_lost_is_made_once(
    stripe: StripeGateway, stand: StandIn, ask: Ask, fault: Fault
) -> None:
    request = ask()
    paid = stripe.charge(request)
    refund = RefundRequest(f"refund:{uuid4()}:1", request.key, paid.gateway_ref, 700, "USD")
    with stand.forgetting_keys():
        stand.faults[REFUND] = [fault]
        with pytest.raises(GatewayOutcomeUnknown):
            stripe.refund(refund)
        assert (stripe.find_refund(refund.key) is None) == (fault is Fault.LOST_BEFORE)
        made = stripe.refund(refund)
        assert made.status is RefundStatus.SUCCEEDED
        assert stripe.find_refund(refund.key) == made
    assert stand.intent(paid.gateway_ref)["latest_charge"]["amount_refunded"] == 700


def test_a_refused_key_is_our_defect(stand: StandIn, gateway_engine: Engine, ask: Ask) -> None:
    gateway = stripe_gateway(stand, gateway_engine, SECRET, secret_key="sk_test_of_somebody_else")
    with pytest.raises(GatewayRefused) as refusal:
        gateway.charge(ask())
    gateway.close()
    assert not refusal.value.retryable


def test_stripe_out_of_reach_is_certainly_nothing_done(gateway_engine: Engine, stand: StandIn, ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gateway = stripe_gateway(stand, gateway_engine, SECRET, api_base=f"http://127.0.0.1:{port}")
    with pytest.raises(GatewayUnavailable):
        gateway.charge(ask())
    gateway.close()


def test_silence_is_no_proof_that_nothing_happened() -> None:
    transport = Transport(read_seconds=0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NoAnswer) as lost:
        transport.request("post", f"http://127.0.0.1:{silent.getsockname()[1]}/v1/refunds", {}, "amount=1")
    transport.close()
    assert not isinstance(lost.value, NotSent)
