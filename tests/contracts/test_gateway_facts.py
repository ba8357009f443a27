"""Webhooks, reconciliation and declared capabilities, over every adapter."""

import pytest

from perennial.domain.errors import PerennialError
from perennial.ports import (
    ChargeStatus,
    GatewayEventKind,
    GatewayRefused,
    InvalidSignature,
)
from tests.contracts.adapters import Adapter


def test_a_signed_webhook_is_parsed(adapter: Adapter) -> None:
    assert adapter.gateway.capabilities.webhooks
    body, headers = adapter.webhook("charge:inv_1:1", "ref_1")
    event = adapter.gateway.parse_webhook(body, headers)
    assert event.kind is GatewayEventKind.PAYMENT_SUCCEEDED
    assert event.status is ChargeStatus.SUCCEEDED
    assert (event.charge_key, event.gateway_ref) == ("charge:inv_1:1", "ref_1")
    assert event.event_id


def test_header_names_come_in_any_case(adapter: Adapter) -> None:
    body, headers = adapter.webhook("charge:inv_1:1", "ref_1")
    lower = {name.lower(): value for name, value in headers.items()}
    assert adapter.gateway.parse_webhook(body, lower) == adapter.gateway.parse_webhook(body, headers)


def test_an_altered_webhook_is_not_believed(adapter: Adapter) -> None:
    body, headers = adapter.webhook("charge:inv_1:1", "ref_1")
    with pytest.raises(InvalidSignature):
        adapter.gateway.parse_webhook(body.replace(b"1999", b"9999"), headers)


@pytest.mark.parametrize("forged", ["none", "empty", "another header"])
def test_a_webhook_without_a_signature_is_not_believed(adapter: Adapter, forged: str) -> None:
    body, headers = adapter.webhook("charge:inv_1:1", "ref_1")
    sent = {"none": {}, "empty": dict.fromkeys(headers, ""), "another header": {"X-Other": "1"}}[forged]
    with pytest.raises(InvalidSignature):
        adapter.gateway.parse_webhook(body, sent)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"[]"])
def test_garbage_is_no_event(adapter: Adapter, body: bytes) -> None:
    _, headers = adapter.webhook("charge:inv_1:1", "ref_1")
    with pytest.raises(PerennialError) as refusal:
        adapter.gateway.parse_webhook(body, headers)
    assert isinstance(refusal.value, InvalidSignature | GatewayRefused)


def test_reconciliation_pages_are_complete_and_stable(adapter: Adapter) -> None:
    assert adapter.gateway.capabilities.reconciliation
    keys = []
    for _ in range(7):
        request = adapter.request()
        adapter.gateway.charge(request)
        keys.append(request.key)

    def walk(limit: int) -> list[str]:
        seen, after = [], None
        while True:
            page = adapter.gateway.payments(after, limit)
            assert len(page.items) <= limit
            seen += [payment.charge_key for payment in page.items]
            if page.next is None:
                return seen
            after = page.next

    by_three = walk(3)
    assert [key for key in by_three if key in keys] == keys
    assert len(by_three) == len(set(by_three))
    assert walk(100) == by_three

    late = adapter.request()
    adapter.gateway.charge(late)
    assert walk(3) == [*by_three, late.key]


def test_reconciliation_tells_what_became_of_a_charge(adapter: Adapter) -> None:
    request = adapter.request(amount=4321, currency="EUR")
    result = adapter.gateway.charge(request)
    adapter.gateway.refund(adapter.refund_request(request, result.gateway_ref, 21))
    declined = adapter.request(token=next(iter(adapter.declined)))
    adapter.gateway.charge(declined)

    payments, after = {}, None
    while True:
        page = adapter.gateway.payments(after, 100)
        payments |= {payment.charge_key: payment for payment in page.items}
        after = page.next
        if after is None:
            break
    paid = payments[request.key]
    assert (paid.amount, paid.currency, paid.refunded) == (4321, "EUR", 21)
    assert (paid.status, paid.gateway_ref) == (ChargeStatus.SUCCEEDED, result.gateway_ref)
    assert payments[declined.key].status is ChargeStatus.DECLINED


@pytest.mark.parametrize(("after", "limit"), [("no cursor", 10), (None, 0)])
def test_a_page_that_makes_no_sense_is_refused(adapter: Adapter, after: str | None, limit: int) -> None:
    with pytest.raises(GatewayRefused):
        adapter.gateway.payments(after, limit)


def test_a_supported_currency_is_charged(adapter: Adapter) -> None:
    capabilities = adapter.gateway.capabilities
    for currency in ("USD", "JPY", "BHD"):
        if capabilities.supports(currency):
            # Stripe wants dinars of three decimals in tens of the smallest unit.
            result = adapter.gateway.charge(adapter.request(currency=currency, amount=2000))
            assert result.status is ChargeStatus.SUCCEEDED
        else:
            with pytest.raises(GatewayRefused):
                adapter.gateway.charge(adapter.request(currency=currency))
