"""Stripe's front door, in this process: requests are recorded and judged, keys remembered, faults injected.

Behind it stand `manners` and localstripe.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from tests.support.stripe import openapi
from tests.support.stripe.localstripe import localstripe
from tests.support.stripe.manners import Answer, Manners, error

SECRET_KEY = "sk_test_of_the_stand_in"
_AUTHORISED = {"Authorization": f"Bearer {SECRET_KEY}"}


class Fault(StrEnum):
    """What happens to a request instead of its answer."""

    TOO_MANY = "429, before anything"
    HELD = "429 lock_timeout, before anything"
    FAILS = "500, nothing done, and the same again for the same key"
    ANSWER_LOST = "carried out, and the connection is closed"
    LOST_BEFORE = "the connection is closed before anything"


@dataclass(frozen=True)
class Recorded:
    operation: str
    method: str
    path: str
    query: str
    body: str
    key: str | None
    violations: tuple[str, ...]


@dataclass
class StandIn:
    """`recorded` holds every request; `faults` says what happens to the next one of an operation, in order."""

    manners: Manners
    recorded: list[Recorded] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    hooks: Queue[tuple[dict[str, str], bytes]] = field(default_factory=Queue)
    # Cards whose confirmations are carried out and never answered.
    lossy: set[str] = field(default_factory=set)
    url: str = ""
    remembers_keys: bool = True
    _before: dict[str, Callable[[], object]] = field(default_factory=dict)
    _keys: dict[str, tuple[str, Answer | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def forgetting_keys(self) -> Iterator[None]:
        """As if 24 hours lay between any two requests."""
        self.remembers_keys = False
        try:
            yield
        finally:
            self.remembers_keys = True

    def calls(self, operation: str) -> list[Recorded]:
        return [call for call in self.recorded if call.operation == operation]

    def before(self, operation: str, work: Callable[[], object]) -> None:
        """Do this once when the next request of an operation has come, and before it is carried out."""
        self._before[operation] = work

    def intent(self, intent_id: str) -> dict[str, Any]:
        """A payment as the stand-in's own books have it."""
        return next(raw for raw in self.intents() if raw["id"] == intent_id)

    def captured(self, word: str) -> list[str]:
        """The keys of ours, with this word in them, under which money was taken: one entry for each time."""
        keys = [raw["metadata"].get("charge_key", "") for raw in self.intents() if raw["status"] == "succeeded"]
        return [key for key in keys if word in key]

    def intents(self) -> list[dict[str, Any]]:
        return self.manners.all_intents()

    def make_customer(self) -> str:
        """One that another system made."""
        _, made = self.manners.answer("POST", "/v1/customers", "", "")
        return str(made["id"])

    def delete_customer(self, customer: str) -> None:
        self.manners.upstream.delete(f"/v1/customers/{customer}", headers=_AUTHORISED).raise_for_status()

    def attach(self, token: str, customer: str) -> None:
        """As a SetupIntent does when it succeeds."""
        status, told = self.manners.answer("POST", f"/v1/payment_methods/{token}/attach", "", f"customer={customer}")
        assert status == httpx.codes.OK, told

    def give_card(self, setup: str, client_secret: str, token: str) -> None:
        """What Stripe's form in the customer's browser does, 3-D Secure included: the card is attached."""
        for given in ({"payment_method": token}, {}):
            body = urlencode({"client_secret": client_secret} | given)
            status, told = self.manners.answer("POST", f"/v1/setup_intents/{setup}/confirm", "", body)
            assert status == httpx.codes.OK, told
            if told["status"] == "succeeded":
                break
        self.attach(token, told["customer"])

    def cancel_set_up(self, setup: str) -> None:
        self.manners.answer("POST", f"/v1/setup_intents/{setup}/cancel", "", "")

    def last_customer(self) -> str:
        """The one that was made last."""
        customers = self.manners.upstream.get("/v1/customers", params={"limit": 10_000}, headers=_AUTHORISED).json()
        return str(customers["data"][-1]["id"])

    def announce_to(self, secret: str) -> None:
        """localstripe's webhooks come to `hooks`, signed with this secret."""
        config = {"url": f"{self.url}/hooks", "secret": secret}
        self.manners.upstream.post("/_config/webhooks/tests", json=config).raise_for_status()

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Answer | None:
        """None: the connection is closed without an answer."""
        split = urlsplit(target)
        operation = openapi.operation(method, split.path) or "unknown"
        wrong = tuple(openapi.violations(method, split.path, split.query, body))
        key = headers.get("idempotency-key")
        self.recorded.append(Recorded(operation, method, split.path, split.query, body, key, wrong))
        if headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
        if wrong:
            return error(400, "parameter_unknown", wrong[0])
        fault = self._next_fault(operation, split.path)
        if fault is Fault.LOST_BEFORE:
            return None
        if fault in {Fault.TOO_MANY, Fault.HELD}:
            return error(429, "lock_timeout" if fault is Fault.HELD else "rate_limit")
        answer = self._once(key, f"{method} {target} {body}", lambda: self._carry_out(fault, method, split, body))
        return None if fault is Fault.ANSWER_LOST else answer

    def _next_fault(self, operation: str, path: str) -> Fault | None:
        if operation == "PostPaymentIntentsIntentConfirm" and self.manners.card_of(path.split("/")[3]) in self.lossy:
            return Fault.ANSWER_LOST
        with self._lock:
            waiting = self.faults.get(operation, [])
            return waiting.pop(0) if waiting else None

    def _carry_out(self, fault: Fault | None, method: str, split: Any, body: str) -> Answer:
        if work := self._before.pop(openapi.operation(method, split.path) or "", None):
            work()
        if fault is Fault.FAILS:
            return 500, {"error": {"type": "api_error", "message": "it is us, not you"}}
        return self.manners.answer(method, split.path, split.query, body)

    def _once(self, key: str | None, request: str, carry_out: Any) -> Answer:
        """Stripe's idempotency: the first answer again, 400 for another request, 409 while the first is under way."""
        if key is None or not self.remembers_keys:
            answer: Answer = carry_out()
            return answer
        with self._lock:
            if key in self._keys:
                first, known = self._keys[key]
                if first != request:
                    return 400, {"error": {"type": "idempotency_error", "message": "other parameters"}}
                if known is None:
                    return 409, {"error": {"type": "idempotency_error", "code": "idempotency_key_in_use"}}
                return known
            self._keys[key] = (request, None)
        answer = carry_out()
        with self._lock:
            self._keys[key] = (request, answer)
        return answer


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Everything that stands in for Stripe, while it runs."""
    with localstripe() as upstream, httpx.Client(base_url=upstream, timeout=30) as client:
        stand = StandIn(Manners(client, SECRET_KEY))
        server = _Server(("127.0.0.1", 0), _handler(stand))
        stand.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield stand
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(stand: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes, and the second would wait for an ACK

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def log_message(self, format: str, *args: object) -> None:
            """Tests look at `recorded`."""

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if self.path == "/hooks":
                stand.hooks.put((headers, body))
                self._send(200, {})
                return
            answer = stand.answer(method, self.path, headers, body.decode())
            if answer is None:
                self.close_connection = True
            else:
                self._send(*answer)

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
