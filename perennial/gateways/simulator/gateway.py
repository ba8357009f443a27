"""The simulator behind the gateway port. See README.md for the test cards."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import sleep
from urllib.parse import urlencode

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from perennial.gateways.simulator import actions, books, cards, disputes, refunds, signatures
from perennial.gateways.simulator.books import Outcome
from perennial.gateways.simulator.cards import Card
from perennial.gateways.simulator.faults import FaultBoard
from perennial.gateways.simulator.schema import SCHEMA, create_schema, in_schema
from perennial.ports import (
    CardDetails,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    GatewayCapabilities,
    GatewayEvent,
    GatewayOutcomeUnknown,
    GatewayPayment,
    GatewayRefused,
    GatewayUnavailable,
    IdempotencyConflict,
    Page,
    RefundRequest,
    RefundResult,
)

_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST_MINOR_UNITS = 10**12
_LONGEST_KEY = 255
_NO_TABLE = "42P01"
# In-flight charges are waited for, so that no smaller id can appear after this page.
_PAYMENTS_LOCK = text("LOCK TABLE simulator.payments IN SHARE MODE")
_PAYMENTS = text(
    """
SELECT p.*, CASE WHEN p.disputed_at IS NULL THEN 0 ELSE (
    SELECT coalesce(sum(e.amount), 0) FROM simulator.entries e
    WHERE e.charge_key = p.key AND e.account = 'cardholders' AND e.movement IN ('dispute', 'dispute_won')
) END AS disputed
FROM simulator.payments p WHERE p.id > :after AND p.amount > 0 ORDER BY p.id LIMIT :limit
"""
)


class SimulatorGateway:
    """A payment provider in the PostgreSQL schema of its name. Each call is a transaction of its own, in real time.

    `announce_all` emits events for outcomes that the answer has told already, as real gateways do; it is off because
    it costs every charge a row that nobody needs.
    """

    capabilities = GatewayCapabilities(
        refunds=True,
        partial_refunds=True,
        three_d_secure=True,
        webhooks=True,
        lookup_by_reference=True,
        reconciliation=True,
    )

    def __init__(self, engine: Engine, *, webhook_secret: str, announce_all: bool = False, name: str = SCHEMA) -> None:
        self._name = name
        self._engine = engine = in_schema(engine, name)
        # One statement is atomic by itself; without BEGIN and COMMIT a charge is one round trip instead of three.
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._webhook_secret = webhook_secret
        self._announce_all = announce_all
        self._faults = FaultBoard(self._autocommit)

    @property
    def name(self) -> str:
        return self._name

    @property
    def books(self) -> Engine:
        """Where its books are: what `witness`, `set_faults` and `injected` ask for."""
        return self._engine

    def create_schema(self) -> None:
        """Make the simulator's tables where they are missing."""
        create_schema(self._engine, self._name)

    def describe_token(self, token: str) -> CardDetails:
        shown = cards.describe(token)
        try:
            with self._statements() as connection:
                times = books.counted(connection, f"card_updates:{token}")
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) != _NO_TABLE:
                raise
            times = 0  # no process has prepared it yet: no card has been replaced
        return cards.replaced(token, shown, times)

    def charge(self, request: ChargeRequest) -> ChargeResult:
        _validate(request.key, request.amount, request.currency)
        card = cards.card(request.token)
        with _answering():
            self._faults.before_call()
        self._interrupt(card, request)
        fresh = self._charge_counted(card, request) if card.counts else self._charge_once(card, request)
        if fresh is not None and card.loses_answer:
            raise GatewayOutcomeUnknown(f"no answer about {request.key}")
        result = fresh or self._answer_again(request)
        with _answering():
            self._faults.after_call()
        return result

    def find_charge(self, key: str) -> ChargeResult | None:
        with self._statements() as connection:
            row = books.find(connection, key)
            if row is not None and row.status == ChargeStatus.PROCESSING and books.settle_due(connection, 100):
                row = books.find(connection, key)
        return None if row is None else books.result(row)

    def cancel_charge(self, key: str) -> ChargeResult | None:
        with self._statements() as connection:
            return books.cancel(connection, key)

    def refund(self, request: RefundRequest) -> RefundResult:
        _validate(request.key, request.amount, request.currency)
        with _answering():
            self._faults.before_call()
        with self._transaction() as connection:
            result = refunds.refund(connection, request)
        with _answering():
            self._faults.after_call()
        return result

    def find_refund(self, key: str) -> RefundResult | None:
        with self._statements() as connection:
            return refunds.find(connection, key)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> GatewayEvent:
        signatures.verify(self._webhook_secret, body, headers)
        return signatures.parse(body)

    def payments(self, after: str | None, limit: int) -> Page[GatewayPayment]:
        if limit < 1 or not (after or "0").isdecimal():
            raise GatewayRefused(f"no page of {limit} payments after {after!r}")
        with self._transaction() as connection:
            connection.execute(_PAYMENTS_LOCK)
            rows = connection.execute(_PAYMENTS, {"after": int(after or 0), "limit": limit + 1}).all()
        page = rows[:limit]
        return Page(
            items=tuple(
                GatewayPayment(
                    charge_key=row.key,
                    gateway_ref=row.gateway_ref,
                    status=ChargeStatus(row.status),
                    amount=row.amount,
                    currency=row.currency,
                    refunded=row.refunded,
                    disputed=int(row.disputed),
                )
                for row in page
            ),
            next=str(page[-1].id) if len(rows) > limit else None,
        )

    def knows(self, gateway_ref: str) -> bool:
        """Whether it has a charge of this name."""
        with self._statements() as connection:
            return actions.is_known(connection, gateway_ref)

    def authentication_url(self, gateway_ref: str, return_url: str) -> str | None:
        """The page of the customer's bank; None when it asks nothing any more. Raises GatewayRefused."""
        with self._statements() as connection:
            asks = actions.is_asked(connection, gateway_ref)
        return f"/simulator/authenticate/{gateway_ref}?{urlencode({'return_url': return_url})}" if asks else None

    def authenticate(self, gateway_ref: str, *, success: bool) -> ChargeResult:
        """The customer passes (or fails) 3-D Secure. Only the first answer counts; later ones change nothing.

        Raises GatewayRefused when there is no such charge.
        """
        with self._transaction() as connection:
            return actions.authenticate(connection, gateway_ref, success=success)

    def dispute(self, gateway_ref: str, reason: str = "fraudulent") -> str:
        """The cardholder disputes a captured charge, once; answers the dispute's id. Raises GatewayRefused."""
        with self._transaction() as connection:
            return disputes.contest(connection, gateway_ref, reason)

    def decide_dispute(self, gateway_ref: str, *, won: bool) -> str:
        """The bank decides the open dispute of a charge, for the merchant or against. Raises GatewayRefused."""
        with self._transaction() as connection:
            return disputes.decide(connection, gateway_ref, won=won)

    def disputes(self, since: datetime) -> Sequence[GatewayEvent]:
        with self._statements() as connection:
            return disputes.since(connection, since)

    def reverse_dispute(self, gateway_ref: str) -> str:
        """The bank reverses its decision on the dispute of a charge. Raises GatewayRefused."""
        with self._transaction() as connection:
            return disputes.reverse(connection, gateway_ref)

    def return_refund(self, gateway_ref: str) -> None:
        """A refund that was sent comes back: its bank cannot take it. Raises GatewayRefused."""
        with self._transaction() as connection:
            refunds.give_up(connection, gateway_ref)

    def update_card(self, token: str) -> None:
        """The card's bank issues a new card behind the token. Raises UnknownToken."""
        cards.card(token)
        with self._transaction() as connection:
            actions.update_card(connection, token)

    def _interrupt(self, card: Card, request: ChargeRequest) -> None:
        """What happens to a call before the charge is looked at."""
        if card.slow_ms:
            sleep(card.slow_ms / 1000)
        if card.outage_calls and self._count(f"outage:{_of(request)}") <= card.outage_calls:
            raise GatewayUnavailable("503 service unavailable")
        if card.times_out_first and self._count(f"timeout:{request.key}") == 1:
            raise GatewayOutcomeUnknown(f"no answer about {request.key}")

    def _charge_once(self, card: Card, request: ChargeRequest) -> ChargeResult | None:
        """The hot path: one statement."""
        outcome = self._outcome(card, request, charge_number=1, authenticated=False)
        with self._statements() as connection:
            return books.record(connection, request, outcome)

    def _charge_counted(self, card: Card, request: ChargeRequest) -> ChargeResult | None:
        """For scripts that look back. The counter's row makes charges of one card wait for each other."""
        with self._transaction() as connection:
            if books.find(connection, request.key) is not None:
                return None
            number = books.count(connection, f"charges:{_of(request)}")
            authenticated = card.authenticate_once and books.has_authenticated(connection, _of(request))
            outcome = self._outcome(card, request, number, authenticated=authenticated)
            recorded = books.record(connection, request, outcome)
            if recorded is None:
                # The same key was in flight elsewhere: that charge has been counted, this one is none.
                connection.rollback()
            return recorded

    def _outcome(self, card: Card, request: ChargeRequest, charge_number: int, *, authenticated: bool) -> Outcome:
        announce = self._announce_all or card.announces
        late_ms, deliveries = card.webhook_late_ms or 0, card.webhook_deliveries
        if card.processing_ms is not None:
            return Outcome(ChargeStatus.PROCESSING, settles_ms=card.processing_ms, settles_with=card.decline_code)
        if card.declines(charge_number):
            return Outcome(
                ChargeStatus.DECLINED, card.decline_code, announce=announce, late_ms=late_ms, deliveries=deliveries
            )
        asks = (card.authenticate_off_session and request.off_session) or (card.authenticate_once and not authenticated)
        status = ChargeStatus.REQUIRES_ACTION if asks else ChargeStatus.SUCCEEDED
        return Outcome(status, announce=announce, late_ms=late_ms, deliveries=deliveries)

    def _answer_again(self, request: ChargeRequest) -> ChargeResult:
        """The stored answer of a key that is taken."""
        with self._statements() as connection:
            row = books.find(connection, request.key)
        is_barred = row is not None and row.amount == 0
        if row is None or (not is_barred and row.fingerprint != books.charge_fingerprint(request)):
            raise IdempotencyConflict(f"{request.key} was used for another charge")
        return books.result(row)

    @contextmanager
    def _statements(self) -> Iterator[Connection]:
        """Each statement is a transaction."""
        with _answering(), self._autocommit.connect() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _answering(), self._engine.connect() as connection, connection.begin():
            yield connection

    def _count(self, name: str) -> int:
        with self._statements() as connection:
            return books.count(connection, name)


@contextmanager
def _answering() -> Iterator[None]:
    """The simulator's database is the simulator: without it there is no answer, and nobody knows what was done."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise GatewayOutcomeUnknown(f"the simulator did not answer: {type(error).__name__}") from error


def _of(request: ChargeRequest) -> str:
    return f"{request.token}|{request.customer_reference}"


def _validate(key: str, amount: int, currency: str) -> None:
    """Raises GatewayRefused: what a gateway answers with 400."""
    if not 0 < len(key) <= _LONGEST_KEY:
        raise GatewayRefused(f"a key has 1 to {_LONGEST_KEY} characters")
    if not 0 < amount <= _MOST_MINOR_UNITS:
        raise GatewayRefused(f"{amount} minor units cannot be charged or refunded")
    if not _CURRENCY.fullmatch(currency):
        raise GatewayRefused(f"{currency!r} is no currency")
