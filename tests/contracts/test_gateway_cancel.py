"""Withdrawing a charge, over every adapter: afterwards it is certain whether money moves."""

from concurrent.futures import ThreadPoolExecutor

from perennial.ports import ChargeRequest, ChargeStatus
from tests.contracts.adapters import Adapter


def status_of(adapter: Adapter, request: ChargeRequest) -> ChargeStatus | None:
    found = adapter.gateway.find_charge(request.key)
    return None if found is None else found.status


def test_a_charge_that_waits_for_the_customer_is_withdrawn(adapter: Adapter) -> None:
    request = adapter.request(token=adapter.authentication_token)
    asked = adapter.gateway.charge(request)
    canceled = adapter.gateway.cancel_charge(request.key)
    assert canceled is not None
    assert canceled.status is ChargeStatus.CANCELED
    adapter.authenticate(asked.gateway_ref, True)
    assert status_of(adapter, request) is ChargeStatus.CANCELED
    assert adapter.gateway.charge(request).status is ChargeStatus.CANCELED


def test_it_is_too_late_for_a_charge_that_was_decided(adapter: Adapter) -> None:
    paid, declined = adapter.request(), adapter.request(token=next(iter(adapter.declined)))
    for request, status in ((paid, ChargeStatus.SUCCEEDED), (declined, ChargeStatus.DECLINED)):
        adapter.gateway.charge(request)
        answer = adapter.gateway.cancel_charge(request.key)
        assert answer is not None
        assert answer.status is status
        assert status_of(adapter, request) is status


def test_a_charge_that_comes_after_its_cancellation_takes_no_money(adapter: Adapter) -> None:
    request = adapter.request()
    answer = adapter.gateway.cancel_charge(request.key)
    if answer is None:
        assert status_of(adapter, request) is None
        return
    assert answer.status is ChargeStatus.CANCELED
    assert adapter.gateway.charge(request).status is ChargeStatus.CANCELED
    assert adapter.gateway.cancel_charge(request.key) == answer


def test_charge_and_cancellation_at_once_agree(adapter: Adapter) -> None:
    for _ in range(20):
        request = adapter.request()
        with ThreadPoolExecutor(2) as pool:
            charge = pool.submit(adapter.gateway.charge, request)
            cancel = pool.submit(adapter.gateway.cancel_charge, request.key)
        answer = cancel.result()
        assert answer is not None
        assert charge.result().status is answer.status is status_of(adapter, request)
