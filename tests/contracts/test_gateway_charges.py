"""What the engine relies on when it charges, over every adapter."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from perennial.ports import (
    ChargeStatus,
    GatewayOutcomeUnknown,
    GatewayPayment,
    GatewayRefused,
    IdempotencyConflict,
    PaymentGateway,
    UnknownToken,
)
from tests.contracts.adapters import Adapter


def captured(adapter: Adapter, description: str) -> list[GatewayPayment]:
    """Every captured charge of one description, as the gateway's own books have them."""
    found: list[GatewayPayment] = []
    after = None
    while True:
        page = adapter.gateway.payments(after, 500)
        found += [payment for payment in page.items if payment.charge_key.startswith(description)]
        if page.next is None:
            return [payment for payment in found if payment.status is ChargeStatus.SUCCEEDED]
        after = page.next


def test_the_adapter_is_a_gateway(adapter: Adapter) -> None:
    assert isinstance(adapter.gateway, PaymentGateway)
    assert adapter.gateway.name


def test_a_charge_succeeds_and_names_itself(adapter: Adapter) -> None:
    result = adapter.gateway.charge(adapter.request())
    assert result.status is ChargeStatus.SUCCEEDED
    assert result.gateway_ref
    assert result.decline_code is None
    assert result.action_url is None


def test_the_same_key_gives_the_same_answer_and_takes_money_once(adapter: Adapter) -> None:
    request = adapter.request()
    first = adapter.gateway.charge(request)
    assert adapter.gateway.charge(request) == first
    assert len(captured(adapter, request.key)) == 1


@pytest.mark.parametrize("change", [{"amount": 2000}, {"currency": "EUR"}, {"customer_reference": "cus_other"}])
def test_the_same_key_with_other_parameters_is_a_conflict(adapter: Adapter, change: dict[str, Any]) -> None:
    request = adapter.request()
    adapter.gateway.charge(request)
    with pytest.raises(IdempotencyConflict):
        adapter.gateway.charge(adapter.request(request.key, **change))
    assert len(captured(adapter, request.key)) == 1


def test_two_threads_with_one_key_take_money_once(adapter: Adapter) -> None:
    for _ in range(10):
        request = adapter.request()
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(adapter.gateway.charge, [request, request]))
        assert answers[0] == answers[1]
        assert len(captured(adapter, request.key)) == 1


def test_every_decline_is_a_result_with_its_code(adapter: Adapter) -> None:
    for token, code in adapter.declined.items():
        result = adapter.gateway.charge(adapter.request(token=token))
        assert (result.status, result.decline_code) == (ChargeStatus.DECLINED, code)


def test_a_decline_is_remembered_under_its_key(adapter: Adapter) -> None:
    request = adapter.request(token=next(iter(adapter.declined)))
    first = adapter.gateway.charge(request)
    assert adapter.gateway.charge(request) == first
    assert adapter.gateway.find_charge(request.key) == first
    assert captured(adapter, request.key) == []


def test_after_a_lost_answer_the_charge_is_found_and_not_made_again(adapter: Adapter) -> None:
    request = adapter.request(token=adapter.lost_answer_token)
    with pytest.raises(GatewayOutcomeUnknown):
        adapter.gateway.charge(request)
    found = adapter.gateway.find_charge(request.key)
    assert found is not None
    assert found.status is ChargeStatus.SUCCEEDED
    assert adapter.gateway.charge(request) == found
    assert len(captured(adapter, request.key)) == 1


def test_a_charge_that_was_never_made_is_not_found(adapter: Adapter) -> None:
    assert adapter.gateway.find_charge(f"charge:{uuid4()}:1") is None


def test_an_unknown_token_is_refused(adapter: Adapter) -> None:
    request = adapter.request(token="pm_of_nobody")
    with pytest.raises(UnknownToken):
        adapter.gateway.charge(request)
    with pytest.raises(UnknownToken):
        adapter.gateway.describe_token("pm_of_nobody")
    assert adapter.gateway.find_charge(request.key) is None


@pytest.mark.parametrize("wrong", [{"amount": 0}, {"amount": -1}, {"currency": "usd"}, {"currency": ""}])
def test_a_malformed_request_is_refused_and_not_retryable(adapter: Adapter, wrong: dict[str, Any]) -> None:
    request = adapter.request(**wrong)
    with pytest.raises(GatewayRefused) as refusal:
        adapter.gateway.charge(request)
    assert not refusal.value.retryable
    assert adapter.gateway.find_charge(request.key) is None


def test_the_token_is_described_without_its_number(adapter: Adapter) -> None:
    card = adapter.card
    assert card.brand
    assert len(card.last4) == 4
    assert 1 <= card.exp_month <= 12
    assert card.exp_year > 2025
    assert card.fingerprint is None or card.fingerprint  # None: the provider does not tell cards apart
    assert card == adapter.gateway.describe_token(adapter.token)


@pytest.mark.parametrize(
    ("success", "status", "code"),
    [(True, ChargeStatus.SUCCEEDED, None), (False, ChargeStatus.DECLINED, "authentication_failed")],
)
def test_three_d_secure_ends_once(adapter: Adapter, *, success: bool, status: ChargeStatus, code: str | None) -> None:
    assert adapter.gateway.capabilities.three_d_secure
    request = adapter.request(token=adapter.authentication_token)
    asked = adapter.gateway.charge(request)
    assert asked.status is ChargeStatus.REQUIRES_ACTION
    assert asked.action_url
    assert captured(adapter, request.key) == []

    adapter.authenticate(asked.gateway_ref, success)
    adapter.authenticate(asked.gateway_ref, not success)
    found = adapter.gateway.find_charge(request.key)
    assert (found.status, found.decline_code, found.action_url) == (status, code, None)
    assert len(captured(adapter, request.key)) == int(success)
