"""Refunds, over every adapter: never more than was taken, never twice."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from perennial.ports import ChargeRequest, GatewayRefused, IdempotencyConflict, RefundRequest, RefundStatus
from tests.contracts.adapters import Adapter

Charge = tuple[ChargeRequest, str]


@pytest.fixture
def charge(adapter: Adapter) -> Charge:
    request = adapter.request()
    return request, adapter.gateway.charge(request).gateway_ref


def refunded(adapter: Adapter, key: str) -> int:
    """How much of a charge the gateway's books say was given back."""
    after = None
    while True:
        page = adapter.gateway.payments(after, 500)
        for payment in page.items:
            if payment.charge_key == key:
                return payment.refunded
        after = page.next
        assert after is not None


def test_a_full_refund(adapter: Adapter, charge: Charge) -> None:
    request, gateway_ref = charge
    result = adapter.gateway.refund(adapter.refund_request(request, gateway_ref, request.amount))
    assert result.status is RefundStatus.SUCCEEDED
    assert result.gateway_ref
    assert refunded(adapter, request.key) == request.amount


def test_partial_refunds_add_up_and_the_last_unit_too_many_is_refused(adapter: Adapter, charge: Charge) -> None:
    assert adapter.gateway.capabilities.partial_refunds
    request, gateway_ref = charge
    for amount in (999, 1000):
        assert adapter.gateway.refund(adapter.refund_request(request, gateway_ref, amount)).failure_code is None
    too_much = adapter.gateway.refund(adapter.refund_request(request, gateway_ref, 1))
    assert too_much.status is RefundStatus.FAILED
    assert too_much.failure_code
    assert refunded(adapter, request.key) == request.amount


def test_a_refund_is_made_once_per_key_and_found_by_it(adapter: Adapter, charge: Charge) -> None:
    request, gateway_ref = charge
    refund = adapter.refund_request(request, gateway_ref, 500)
    first = adapter.gateway.refund(refund)
    assert adapter.gateway.refund(refund) == first
    assert adapter.gateway.find_refund(refund.key) == first
    assert refunded(adapter, request.key) == 500


def test_a_refund_key_with_other_parameters_is_a_conflict(adapter: Adapter, charge: Charge) -> None:
    request, gateway_ref = charge
    refund = adapter.refund_request(request, gateway_ref, 500)
    adapter.gateway.refund(refund)
    with pytest.raises(IdempotencyConflict):
        adapter.gateway.refund(RefundRequest(refund.key, request.key, gateway_ref, 501, "USD"))
    assert refunded(adapter, request.key) == 500


def test_two_refunds_at_once_never_exceed_the_charge(adapter: Adapter, charge: Charge) -> None:
    request, gateway_ref = charge
    both = [adapter.refund_request(request, gateway_ref, 1500) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(adapter.gateway.refund, both))
    assert sorted(result.status for result in results) == [RefundStatus.FAILED, RefundStatus.SUCCEEDED]
    assert refunded(adapter, request.key) == 1500


def test_two_threads_with_one_refund_key_give_back_once(adapter: Adapter, charge: Charge) -> None:
    request, gateway_ref = charge
    refund = adapter.refund_request(request, gateway_ref, 700)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(adapter.gateway.refund, [refund, refund]))
    assert results[0] == results[1]
    assert refunded(adapter, request.key) == 700


def test_what_was_not_captured_is_not_refunded(adapter: Adapter) -> None:
    request = adapter.request(token=next(iter(adapter.declined)))
    declined = adapter.gateway.charge(request)
    result = adapter.gateway.refund(adapter.refund_request(request, declined.gateway_ref, request.amount))
    assert result.status is RefundStatus.FAILED


def test_a_refund_that_comes_back_has_failed_and_the_charge_is_whole_again(adapter: Adapter, charge: Charge) -> None:
    """The bank could not give it to the customer: what had succeeded has failed, and that is the last word."""
    request, gateway_ref = charge
    refund = adapter.refund_request(request, gateway_ref, 500)
    made = adapter.gateway.refund(refund)
    assert made.status is RefundStatus.SUCCEEDED
    adapter.return_refund(made.gateway_ref)
    for _ in range(2):
        found = adapter.gateway.find_refund(refund.key)
        assert found is not None
        assert (found.status, found.gateway_ref, found.failure_code) == (
            RefundStatus.FAILED,
            made.gateway_ref,
            "lost_or_stolen_card",
        )
    assert refunded(adapter, request.key) == 0


def test_a_refund_of_no_charge_is_refused(adapter: Adapter) -> None:
    request = adapter.request()
    with pytest.raises(GatewayRefused):
        adapter.gateway.refund(adapter.refund_request(request, "ref_of_nothing", 1))


def test_a_refund_that_was_never_made_is_not_found(adapter: Adapter) -> None:
    assert adapter.gateway.find_refund(f"refund:{uuid4()}:1") is None
