"""Executions of the billing activities that are killed, or frozen and woken later, at any of their steps.

A step is the moment after a commit, and before and after a gateway is asked. No server, no clock: each execution is a
thread of the test, which decides what happens in between.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from sqlalchemy import event, text
from temporalio.testing import ActivityEnvironment

from activities.billing import BillingActivities
from perennial.contracts import activities as tasks
from perennial.db.engine import make_sessions
from perennial.db.models import Customer, PaymentMethod
from perennial.db.repositories import routing
from perennial.domain import keys
from perennial.domain.calendar import Period
from perennial.domain.subscription.effects import Bill, Collect, InvoiceDraft, Line, LineKind, PaymentFact, Trigger
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import SimulatorGateway
from perennial.gateways.simulator.witness import Capture, witness
from perennial.ports import GatewayUnavailable
from tests.support.paper_books import sells

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AMOUNT = 1900
A_WHILE_SECONDS = 0.3
Step = Callable[[str], None]


class Killed(BaseException):
    """What no code catches: the process is gone."""


class Switch:
    """A gateway that the test puts out of order and in order again: while `out`, every request is refused."""

    def __init__(self, gateway: SimulatorGateway) -> None:
        self._gateway, self.out = gateway, False

    def __getattr__(self, name: str) -> Any:
        if self.out and name in ("charge", "find_charge", "cancel_charge", "refund", "find_refund"):
            return self._refuse
        return getattr(self._gateway, name)

    def _refuse(self, _request: object) -> None:
        raise GatewayUnavailable("503 service unavailable")


class Watched:
    """A gateway at whose door each step is told."""

    def __init__(self, gateway: Any, step: Step) -> None:
        self._gateway, self._step = gateway, step

    def __getattr__(self, name: str) -> Any:
        if name not in ("charge", "find_charge", "cancel_charge", "refund", "find_refund"):
            return getattr(self._gateway, name)

        def around(request: Any) -> Any:
            self._step(f"{name} {self._gateway.name}")
            try:
                return getattr(self._gateway, name)(request)
            finally:
                self._step(f"{name} {self._gateway.name} over")

        return around


def execution(engine: Engine, gateways: Gateways, step: Step) -> BillingActivities:
    """The activities in a process of their own."""
    sessions = make_sessions(engine.db)
    event.listen(sessions, "after_commit", lambda _session: step("committed"))
    return BillingActivities(sessions, gateways.each(lambda one: Watched(one, step)), engine.taxes)


def waits(future: Future[Any]) -> bool:
    """Whether another thread waits for a lock of this one: by now it has come to it, or is long done."""
    time.sleep(A_WHILE_SECONDS)
    return not future.done()


def nothing(_step: str) -> None:
    """Let every step pass."""


def kill_at(n: int) -> Step:
    """Killed at the n-th step, counted from 0."""
    seen = iter(range(n + 1))

    def step(_name: str) -> None:
        if next(seen, n) == n:
            raise Killed

    return step


@contextmanager
def frozen_at(n: int, work: Callable[[Step], object]) -> Iterator[None]:
    """Inside, the execution sleeps at its n-th step (or is over before it); afterwards it wakes and runs to its end."""
    asleep, wake, count = Event(), Event(), iter(range(1_000))

    def step(_name: str) -> None:
        if next(count) == n:
            asleep.set()
            assert wake.wait(60)

    def run() -> None:
        try:
            work(step)
        except Exception:  # noqa: BLE001, S110 - nobody waits for the answer of a process that was given up
            pass
        finally:
            asleep.set()

    thread = Thread(target=run)
    thread.start()
    assert asleep.wait(60)
    try:
        yield
    finally:
        wake.set()
        thread.join(60)
        assert not thread.is_alive()


@dataclass
class Debt:
    """An invoice to be issued and paid with a card that two gateways have. `tokens` are its tokens there."""

    engine: Engine
    gateways: Gateways
    tokens: tuple[str, str]
    name: str = field(default_factory=lambda: f"cus_{uuid4().hex}")

    def __post_init__(self) -> None:
        with self.engine.sessions.begin() as session:
            sells(session, None)  # so that there is no tax on it
            session.add(Customer(id=self.name, name="Ada", email="ada@example.com", created_at=NOW))
            session.flush()
            session.add(
                PaymentMethod(
                    id=self.method,
                    customer_id=self.name,
                    gateway=self.gateways.names[0],
                    token=self.tokens[0],
                    brand="visa",
                    last4="4242",
                    exp_month=12,
                    exp_year=2034,
                    fingerprint=self.name,
                    is_default=True,
                    created_at=NOW,
                )
            )
            session.flush()
            routing.add_token(session, self.method, self.gateways.names[1], self.tokens[1], NOW)

    @property
    def method(self) -> str:
        return f"pm_{self.name}"

    @property
    def invoice(self) -> str:
        return f"invoice:{self.name}:1:period:0"

    def bill(self, step: Step = nothing) -> PaymentFact:
        line = Line(LineKind.PLAN, "Plan", Decimal(1), AMOUNT, Period(NOW, NOW.replace(month=4)))
        draft = InvoiceDraft(self.invoice, "renewal", "USD", 0, line.period, (line,))
        task = tasks.BillTask(tasks.Subject(self.name), Bill(draft, self.method), NOW)
        fact: PaymentFact = self.run(execution(self.engine, self.gateways, step).bill, task)
        return fact

    def collect(self, attempt: int = 2, step: Step = nothing) -> PaymentFact:
        task = tasks.CollectTask(
            tasks.Subject(self.name), Collect(self.invoice, attempt, self.method, Trigger.SCHEDULE), NOW
        )
        fact: PaymentFact = self.run(execution(self.engine, self.gateways, step).collect, task)
        return fact

    def steps(self) -> list[str]:
        """Those of the way from the issue to the payment."""
        seen: list[str] = []
        self.bill(seen.append)
        return seen

    def captures(self) -> list[tuple[str, Capture]]:
        """What both gateways have taken for the invoice."""
        found: list[tuple[str, Capture]] = []
        for gateway in self.gateways:
            told = witness(gateway.books)  # type: ignore[attr-defined]
            assert told.balanced
            found += [(gateway.name, capture) for capture in told.captures if self.name in capture.charge_key]
        return found

    def attempts(self) -> list[Any]:
        return self.rows("SELECT n, gateway, status, sender FROM payment_attempts WHERE customer_id = :id ORDER BY n")

    def paid_once(self) -> str:
        """The gateway that has taken the money: one capture, the attempt's row says where, and so do the books."""
        [(gateway, capture)] = self.captures()
        assert capture.amount == AMOUNT
        [row] = [row for row in self.attempts() if row.status == "succeeded"]
        assert row.gateway == gateway
        assert capture.charge_key == keys.charge(self.invoice, row.n)
        assert self.cash() == {f"cash:{gateway}": AMOUNT}
        return gateway

    def cash(self) -> dict[str, int]:
        """What the books say came in for the charge and went out for its refunds, by account."""
        found = self.rows(
            "WITH keys AS (SELECT 'payment:' || a.key AS key FROM payment_attempts a WHERE a.customer_id = :id "
            "UNION ALL SELECT way || r.key FROM (VALUES ('payment:'), ('returned:')) ways (way) CROSS JOIN refunds r "
            "JOIN payment_attempts a ON a.id = r.attempt_id WHERE a.customer_id = :id) "
            "SELECT e.account, sum(e.amount) AS amount FROM ledger_entries e "
            "JOIN ledger_transactions t ON t.id = e.transaction_id JOIN keys k ON k.key = t.key "
            "WHERE e.account LIKE 'cash:%' GROUP BY e.account"
        )
        return {row.account: int(row.amount) for row in found}

    def rows(self, query: str) -> list[Any]:
        with self.engine.sessions() as session:
            return list(session.execute(text(query), {"id": self.name}))

    def run(self, activity: Callable[..., Any], task: Any) -> Any:
        return ActivityEnvironment().run(activity, task)
