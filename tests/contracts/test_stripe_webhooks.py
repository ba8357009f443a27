"""Stripe's events, made of Stripe's own sample objects and signed by Stripe's SDK."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from perennial.gateways.stripe import StripeGateway
from perennial.ports import ChargeRequest, ChargeStatus, GatewayEventKind, GatewayRefused, InvalidSignature
from tests.contracts.adapters import SECRET
from tests.support.stripe.server import StandIn
from tests.support.stripe.world import event, fixture, new_card, signed

KEY = "charge:invoice:sub_1:3:period:1"
OURS = {"metadata": {"charge_key": KEY}}
INSUFFICIENT = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
CUSTOMER_NEEDED = {"type": "card_error", "code": "authentication_required", "decline_code": "authentication_required"}
NOT_AUTHENTICATED = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure"}


@pytest.mark.parametrize(
    ("name", "fields", "kind", "status", "code"),
    [
        ("succeeded", {"status": "succeeded"}, "payment_succeeded", ChargeStatus.SUCCEEDED, None),
        (
            "payment_failed",
            {"last_payment_error": INSUFFICIENT},
            "payment_failed",
            ChargeStatus.DECLINED,
            "insufficient_funds",
        ),
        (
            "payment_failed",
            {"last_payment_error": NOT_AUTHENTICATED},
            "payment_failed",
            ChargeStatus.DECLINED,
            "authentication_failed",
        ),
        (
            "payment_failed",
            {"last_payment_error": CUSTOMER_NEEDED},
            "payment_requires_action",
            ChargeStatus.REQUIRES_ACTION,
            None,
        ),
        (
            "requires_action",
            {"status": "requires_action"},
            "payment_requires_action",
            ChargeStatus.REQUIRES_ACTION,
            None,
        ),
        ("processing", {"status": "processing"}, "payment_processing", ChargeStatus.PROCESSING, None),
        ("canceled", {"status": "canceled"}, "payment_canceled", ChargeStatus.CANCELED, None),
    ],
)
def test_what_becomes_of_a_payment(
    stripe: StripeGateway, name: str, fields: dict[str, Any], kind: str, status: ChargeStatus, code: str | None
) -> None:
    intent = fixture("payment_intent", **{"last_payment_error": None} | fields | OURS)
    told = stripe.parse_webhook(*signed(SECRET, event(f"payment_intent.{name}", intent, "evt_7")))
    assert (told.kind, told.status, told.decline_code) == (GatewayEventKind(kind), status, code)
    assert (told.event_id, told.charge_key, told.gateway_ref) == ("evt_7", KEY, intent["id"])
    assert (told.amount, told.currency) == (1099, "USD")


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("refund.created", "succeeded", GatewayEventKind.REFUND_SUCCEEDED),
        ("refund.updated", "succeeded", GatewayEventKind.REFUND_SUCCEEDED),
        ("charge.refund.updated", "canceled", GatewayEventKind.REFUND_FAILED),
        ("refund.failed", "failed", GatewayEventKind.REFUND_FAILED),
        ("refund.created", "pending", GatewayEventKind.OTHER),
    ],
)
def test_what_becomes_of_a_refund(stripe: StripeGateway, name: str, status: str, kind: GatewayEventKind) -> None:
    refund = fixture("refund", status=status, failure_reason="lost_or_stolen_card", **OURS)
    told = stripe.parse_webhook(*signed(SECRET, event(name, refund)))
    assert (told.kind, told.gateway_ref) == (kind, refund["id"])
    if kind is GatewayEventKind.REFUND_FAILED:
        assert (told.charge_key, told.decline_code, told.amount) == (KEY, "lost_or_stolen_card", 100)


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("created", "needs_response", GatewayEventKind.DISPUTE_OPENED),
        ("closed", "won", GatewayEventKind.DISPUTE_WON),
        ("created", "warning_needs_response", GatewayEventKind.OTHER),
        ("funds_withdrawn", "needs_response", GatewayEventKind.DISPUTE_OPENED),
        ("closed", "warning_closed", GatewayEventKind.OTHER),
        ("closed", "lost", GatewayEventKind.DISPUTE_LOST),
        ("updated", "under_review", GatewayEventKind.OTHER),
        ("updated", "won", GatewayEventKind.DISPUTE_WON),
        ("funds_reinstated", "won", GatewayEventKind.DISPUTE_WON),
    ],
)
def test_a_dispute_is_found_by_its_payment(
    stripe: StripeGateway, stand: StandIn, name: str, status: str, kind: GatewayEventKind
) -> None:
    request = ChargeRequest(f"charge:{uuid4()}:1", 1000, "USD", new_card(stand), f"cus_{uuid4()}")
    paid = stripe.charge(request)
    dispute = fixture("dispute", status=status, payment_intent=paid.gateway_ref)
    happened = event(f"charge.dispute.{name}", dispute) | {"created": 1_790_000_000}
    told = stripe.parse_webhook(*signed(SECRET, happened))
    assert (told.kind, told.gateway_ref) == (kind, dispute["id"])
    assert told.at == datetime.fromtimestamp(1_790_000_000, UTC)
    if kind is not GatewayEventKind.OTHER:
        assert (told.charge_key, told.amount) == (request.key, 1000)


def test_what_we_wrote_down_counts_more_than_what_people_edit_at_stripe(stripe: StripeGateway, stand: StandIn) -> None:
    request = ChargeRequest(f"charge:{uuid4()}:1", 1000, "USD", new_card(stand), f"cus_{uuid4()}")
    paid = stripe.charge(request)
    edited = fixture("payment_intent", id=paid.gateway_ref, status="succeeded", last_payment_error=None, **OURS)
    assert stripe.parse_webhook(*signed(SECRET, event("payment_intent.succeeded", edited))).charge_key == request.key


@pytest.mark.parametrize("name", ["payment_method.automatically_updated", "payment_method.updated"])
def test_a_card_that_its_bank_replaced(stripe: StripeGateway, name: str) -> None:
    method = fixture("payment_method")
    told = stripe.parse_webhook(*signed(SECRET, event(name, method)))
    assert (told.kind, told.gateway_ref, told.charge_key) == (GatewayEventKind.CARD_UPDATED, method["id"], None)


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("charge.refunded", "charge"),
        ("payment_intent.created", "payment_intent"),
        ("payment_intent.partially_funded", "payment_intent"),
        ("customer.created", "customer"),
        ("setup_intent.succeeded", "setup_intent"),
        ("payout.paid", "payout"),
        ("source.chargeable", "source"),
    ],
)
def test_what_asks_nothing_of_us_is_kept_and_ignored(stripe: StripeGateway, name: str, resource: str) -> None:
    told = stripe.parse_webhook(*signed(SECRET, event(name, fixture(resource))))
    assert (told.kind, told.charge_key) == (GatewayEventKind.OTHER, None)


def test_a_payment_of_another_system_on_the_same_account_is_nobodys(stripe: StripeGateway) -> None:
    foreign = fixture("payment_intent", status="succeeded", last_payment_error=None)
    assert stripe.parse_webhook(*signed(SECRET, event("payment_intent.succeeded", foreign))).charge_key is None


def test_currencies_come_in_our_minor_units(stripe: StripeGateway) -> None:
    krona = fixture("payment_intent", amount=1500, currency="isk", status="succeeded", last_payment_error=None, **OURS)
    told = stripe.parse_webhook(*signed(SECRET, event("payment_intent.succeeded", krona)))
    assert (told.amount, told.currency) == (15, "ISK")


def test_an_old_signature_is_not_believed(stripe: StripeGateway) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=301)
    with pytest.raises(InvalidSignature):
        stripe.parse_webhook(*signed(SECRET, event("payout.paid", fixture("payout")), long_ago))


def test_a_foreign_secret_is_not_believed(stripe: StripeGateway) -> None:
    with pytest.raises(InvalidSignature):
        stripe.parse_webhook(*signed("whsec_of_somebody_else", event("payout.paid", fixture("payout"))))


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "evt_1", "type": "payment_intent.succeeded", "data": {}}, {"id": "evt_1", "type": "x", "data": []}],
)
def test_a_signed_body_that_is_no_event_is_refused(stripe: StripeGateway, body: dict[str, Any]) -> None:
    with pytest.raises(GatewayRefused):
        stripe.parse_webhook(*signed(SECRET, body))


def test_an_event_as_localstripe_sends_it(stripe: StripeGateway, stand: StandIn) -> None:
    stand.announce_to(SECRET)
    request = ChargeRequest(f"charge:{uuid4()}:1", 1999, "USD", new_card(stand), f"cus_{uuid4()}")
    paid = stripe.charge(request)
    while True:
        headers, body = stand.hooks.get(timeout=30)
        told = stripe.parse_webhook(body, headers)
        if told.kind is GatewayEventKind.PAYMENT_SUCCEEDED and told.gateway_ref == paid.gateway_ref:
            break
    assert (told.charge_key, told.amount, told.status) == (request.key, 1999, ChargeStatus.SUCCEEDED)
