"""Events reach the merchant: signed, late, doubled, again after a failure, and lost when told so."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from perennial.gateways.simulator import SimulatorFaults, SimulatorGateway, WebhookDispatcher, set_faults, signatures
from perennial.ports import (
    ChargeRequest,
    GatewayEvent,
    GatewayEventKind,
    GatewayRefused,
    InvalidSignature,
    RefundRequest,
)

Ask = Callable[..., ChargeRequest]
SECRET = "whsec_of_the_simulator_tests"


class Merchant:
    """Takes webhooks on loopback as the API would. `fail` answers 500 that many times."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, dict[str, str]]] = []
        self.fail = 0
        merchant = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 200
                if merchant.fail:
                    merchant.fail -= 1
                    status = 500
                else:
                    merchant.received.append((body, dict(self.headers)))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def merchant() -> Iterator[Merchant]:
    merchant = Merchant()
    yield merchant
    merchant.close()


@pytest.fixture
def dispatcher(engine: Engine, gateway: SimulatorGateway, merchant: Merchant) -> Iterator[WebhookDispatcher]:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM simulator.events"))
    dispatcher = WebhookDispatcher(engine, url=merchant.url, secret=SECRET)
    yield dispatcher
    dispatcher.close()


def parsed(gateway: SimulatorGateway, merchant: Merchant) -> list[GatewayEvent]:
    return [gateway.parse_webhook(body, headers) for body, headers in merchant.received]


def test_a_plain_charge_emits_nothing(
    gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    gateway.charge(ask())
    assert dispatcher.run_once() == 0
    assert merchant.received == []


def test_everything_is_announced_on_demand(
    engine: Engine, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    gateway = SimulatorGateway(engine, webhook_secret=SECRET, announce_all=True)
    paid, declined, asked = ask(), ask("pm_card_chargeDeclined"), ask("pm_card_authenticationRequired")
    for request in (paid, declined, asked):
        gateway.charge(request)
    assert dispatcher.run_once() == 3
    assert [(event.charge_key, event.kind.value) for event in parsed(gateway, merchant)] == [
        (paid.key, "payment_succeeded"),
        (declined.key, "payment_failed"),
        (asked.key, "payment_requires_action"),
    ]


@pytest.mark.parametrize(
    ("success", "kind", "code"),
    [
        (True, GatewayEventKind.PAYMENT_SUCCEEDED, None),
        (False, GatewayEventKind.PAYMENT_FAILED, "authentication_failed"),
    ],
)
def test_the_end_of_three_d_secure_is_announced_once(
    gateway: SimulatorGateway,
    ask: Ask,
    dispatcher: WebhookDispatcher,
    merchant: Merchant,
    *,
    success: bool,
    kind: GatewayEventKind,
    code: str | None,
) -> None:
    request = ask("pm_card_authenticationRequired")
    asked = gateway.charge(request)
    for _ in range(2):
        gateway.authenticate(asked.gateway_ref, success=success)
    assert dispatcher.run_once() == 1
    assert dispatcher.run_once() == 0
    (event,) = parsed(gateway, merchant)
    assert (event.kind, event.charge_key, event.decline_code) == (kind, request.key, code)
    assert (event.gateway_ref, event.amount, event.currency) == (asked.gateway_ref, 1000, "USD")


def test_processing_is_settled_and_announced(
    gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    gateway.charge(ask("pm_card_processing_fails_20"))
    assert dispatcher.run_once() == 0
    sleep(0.03)
    assert dispatcher.run_once() == 1
    assert [event.decline_code for event in parsed(gateway, merchant)] == ["generic_decline"]


def test_refunds_disputes_and_new_cards_are_announced(
    gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    request = ask()
    paid = gateway.charge(request)
    for amount in (400, 601):
        gateway.refund(RefundRequest(f"refund:{uuid4()}:1", request.key, paid.gateway_ref, amount, "USD"))
    gateway.dispute(paid.gateway_ref)
    with pytest.raises(GatewayRefused):
        gateway.dispute(paid.gateway_ref)
    gateway.decide_dispute(paid.gateway_ref, won=False)
    gateway.update_card("pm_card_visa:ada")
    assert dispatcher.run_once() == 5
    assert [(event.kind.value, event.amount) for event in parsed(gateway, merchant)] == [
        ("refund_succeeded", 400),
        ("refund_failed", 601),
        ("dispute_opened", 600),
        ("dispute_lost", 600),
        ("card_updated", 0),
    ]


def test_a_late_webhook(gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant) -> None:
    gateway.charge(ask("pm_card_webhook_late_60"))
    assert dispatcher.run_once() == 0
    sleep(0.07)
    assert dispatcher.run_once() == 1


def test_a_doubled_webhook_has_one_event_id(
    gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    gateway.charge(ask("pm_card_webhook_twice"))
    assert dispatcher.run_once() == 2
    assert len({event.event_id for event in parsed(gateway, merchant)}) == 1
    assert len(merchant.received) == 2


def test_what_the_merchant_does_not_take_comes_again(
    gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    merchant.fail = 1
    gateway.charge(ask("pm_card_webhook_late_0"))
    assert dispatcher.run_once() == 1
    assert dispatcher.run_once() == 0
    sleep(0.6)
    assert dispatcher.run_once() == 1
    assert len(merchant.received) == 1


def test_a_merchant_that_is_away_loses_nothing(
    engine: Engine, gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    gateway.charge(ask("pm_card_webhook_late_0"))
    away = WebhookDispatcher(engine, url="http://127.0.0.1:1/hook", secret=SECRET)
    assert away.run_once() == 1
    away.close()
    sleep(0.6)
    assert dispatcher.run_once() == 1
    assert len(merchant.received) == 1


def test_dropped_doubled_delayed_and_disordered(
    engine: Engine, gateway: SimulatorGateway, ask: Ask, dispatcher: WebhookDispatcher, merchant: Merchant
) -> None:
    def announce(faults: SimulatorFaults) -> list[str]:
        sleep(0.3)
        merchant.received.clear()
        requests = [ask("pm_card_webhook_late_0") for _ in range(2)]
        for request in requests:
            gateway.charge(request)
        set_faults(engine, faults)
        sleep(0.3)
        dispatcher.run_once()
        keys = [request.key for request in requests]
        return [str(keys.index(event.charge_key or "")) for event in parsed(gateway, merchant)]

    assert announce(SimulatorFaults(webhook_drop_every=2)) == ["0"]
    assert announce(SimulatorFaults(webhook_double_every=2)) == ["0", "1", "1"]
    assert announce(SimulatorFaults(webhook_reorder=True)) == ["1", "0"]
    assert announce(SimulatorFaults(webhook_delay_ms=60_000)) == []


def test_an_old_signature_is_not_believed(gateway: SimulatorGateway) -> None:
    body = b"{}"
    for age in (timedelta(seconds=301), timedelta(seconds=-301)):
        header = signatures.sign(SECRET, body, datetime.now(UTC) - age)
        with pytest.raises(InvalidSignature):
            gateway.parse_webhook(body, {signatures.HEADER: header})
