"""A stage for stories on the running engine: people, clocks, subscriptions, and what independent witnesses say."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import text
from temporalio.client import WorkflowHandle

from perennial.contracts.views import SubscriptionView
from perennial.contracts.workflows import Progress
from perennial.db.repositories import usage_alerts
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.coupons import CouponTerms
from perennial.domain.subscription import State
from perennial.domain.subscription import commands as c
from perennial.engine import clocks, coupons, customers, plans, subscriptions, usage
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription
from perennial.engine.usage import NewEvent
from perennial.gateways.simulator.witness import Capture, witness

T = TypeVar("T")

COMMANDS: dict[str, type[c.Command]] = {
    "pause": c.PauseSubscription,
    "resume": c.Resume,
    "change_plan": c.ChangePlan,
    "change_quantity": c.ChangeQuantity,
    "cancel": c.Cancel,
    "undo_cancel": c.UndoCancel,
    "reactivate": c.Reactivate,
    "apply_coupon": c.ApplyCoupon,
    "set_payment_method": c.SetPaymentMethod,
    "extend_trial": c.ExtendTrial,
    "retry_payment": c.RetryPayment,
    "gift": c.AddGift,
    "skip_next": c.SkipNext,
    "payment_event": c.PaymentEvent,
    "dispute_event": c.DisputeEvent,
    "change_addons": c.ChangeAddOns,
    "give_up_invoice": c.GiveUpInvoice,
    "record_payment": c.RecordPayment,
    "credit_invoice": c.CreditInvoice,
    "set_dunning": c.SetDunning,
    "park": c.Park,
    "unpark": c.Unpark,
}


@dataclass(frozen=True)
class Bill:
    """An invoice, as the database has it."""

    key: str
    period_no: int
    reason: str
    total: int
    credit_applied: int
    amount_due: int
    status: str
    issued_at: datetime
    closed_at: datetime | None
    period_start: datetime
    period_end: datetime


def at(words: str) -> datetime:
    """`2026-01-31 10:00`, UTC."""
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


def nothing_due_until(progress: Progress, moment: datetime) -> bool:
    return not progress.busy and (progress.wake_at is None or progress.wake_at > moment)


class Stage:
    """Everything here is of one test; other tests share the engine, the server and the database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.owners: dict[str, str] = {}

    # --- people and things ---------------------------------------------------------------------------------------

    async def clock(self, now: datetime | str) -> str:
        now = at(now) if isinstance(now, str) else now
        return (await clocks.create(self.engine, name="story", now=now)).id

    async def customer(self, card: str | None = "pm_card_visa", timezone: str = "UTC") -> str:
        made = await customers.create(self.engine, name="Ada", email="ada@example.com", timezone=timezone)
        if card:
            await self.card(made.id, card)
        return made.id

    async def card(self, customer: str, token: str) -> str:
        return (await customers.attach_payment_method(self.engine, customer, token)).id

    async def subscribe(
        self,
        clock: str | None,
        plan: str = "basic-monthly",
        card: str | None = "pm_card_visa",
        currency: str = "USD",
        timezone: str = "UTC",
        **more: Any,
    ) -> str:
        customer = await self.customer(card, timezone)
        new = NewSubscription(customer_id=customer, plan=plan, currency=currency, test_clock_id=clock, **more)
        view = await subscriptions.create(self.engine, new)
        self.owners[view.id] = customer
        return view.id

    async def plan(self, code: str, **fields: Any) -> str:
        """A plan of this test alone; answers its code."""
        code = f"{code}-{uuid4().hex[:8]}"
        await plans.create_version(self.engine, NewPlanVersion(code=code, name=code, **fields))
        return code

    async def coupon(self, **fields: Any) -> str:
        code = f"coupon-{uuid4().hex[:8]}"
        await coupons.create(self.engine, CouponTerms(code=code, **fields))
        return code

    # --- what happens --------------------------------------------------------------------------------------------

    async def advance(self, clock: str, to: datetime | str | None = None, **by: float) -> datetime:
        to = at(to) if isinstance(to, str) else to
        moved = await clocks.advance(self.engine, clock, to=to, by=None if to else timedelta(**by))
        return moved.now

    async def send(
        self, subscription: str, name: str, request_id: str | None = None, **fields: Any
    ) -> SubscriptionView:
        """An update, effective now. `plan` and `currency` stand for the plan's terms, `coupon` for its discount."""
        kind, request = COMMANDS[name], request_id or f"req_{uuid4().hex}"
        fields = await self._with_terms(subscription, fields, request)
        return await subscriptions.command(
            self.engine, subscription, name, lambda _session, _row, at: kind(request_id=request, at=at, **fields)
        )

    async def signal(self, subscription: str, name: str, moment: datetime, **fields: Any) -> None:
        fields = await self._with_terms(subscription, fields)
        fields.setdefault("request_id", f"req_{uuid4().hex}")
        await self.handle(subscription).signal(name, COMMANDS[name](at=moment, **fields))

    async def _with_terms(
        self, subscription: str, fields: dict[str, Any], request: str | None = None
    ) -> dict[str, Any]:
        if plan := fields.pop("plan", None):
            currency = fields.pop("currency", None) or (await subscriptions.get(self.engine, subscription)).currency
            fields["terms"] = await plans.terms(self.engine, plan, currency)
        if coupon := fields.pop("coupon", None):
            row = await subscriptions.get(self.engine, subscription)
            fields["discount"] = await self.engine.read(
                lambda session: subscriptions.require_discount(session, row, coupon, self.engine.clock(), request)
            )
        return fields

    async def use(self, subscription: str, event: str, moment: datetime, value: int) -> None:
        """One usage event of the subscription, with `value` in its properties."""
        new = NewEvent(
            id=f"evt_{uuid4().hex}",
            customer_id=self.owners[subscription],
            subscription_id=subscription,
            name=event,
            at=moment,
            properties={"value": value},
        )
        await usage.ingest(self.engine, [new])

    async def alerts(self) -> None:
        """What the relay does every few seconds."""
        now = self.engine.clock()
        await self.engine.write(lambda session: usage_alerts.tell(session, now - timedelta(minutes=1), now))

    # --- how things stand ----------------------------------------------------------------------------------------

    def handle(self, subscription: str) -> WorkflowHandle[Any, Any]:
        return self.engine.temporal.get_workflow_handle(subscription)

    async def state(self, subscription: str) -> State:
        return await self.handle(subscription).query("state", result_type=State)

    async def progress(self, subscription: str) -> Progress:
        return await self.handle(subscription).query("progress", result_type=Progress)

    async def view(self, subscription: str) -> SubscriptionView:
        return await self.handle(subscription).query("view", result_type=SubscriptionView)

    async def bills(self, subscription: str) -> list[Bill]:
        found = await self.rows(
            "SELECT key, period_no, reason, total, credit_applied, amount_due, status, issued_at, closed_at, "
            "period_start, period_end FROM invoices WHERE subscription_id = :id ORDER BY issued_at, number",
            id=subscription,
        )
        return [Bill(*row) for row in found]

    async def due_amounts(self, subscription: str) -> list[int]:
        return [bill.amount_due for bill in await self.bills(subscription)]

    async def captures(self, subscription: str) -> list[Capture]:
        """What the gateway's own books say was taken for this subscription."""
        told = await asyncio.to_thread(witness, self.engine.db)
        assert told.balanced
        return [capture for capture in told.captures if f":{subscription}:" in capture.charge_key]

    async def timeline(self, subscription: str) -> list[str]:
        told = await self.rows(
            "SELECT kind FROM timeline_entries WHERE subject_id = :id ORDER BY step, position", id=subscription
        )
        return [kind for (kind,) in told if kind != "period_began"]

    async def messages(self, subscription: str) -> list[str]:
        told = await self.rows(
            "SELECT kind FROM outbox_messages WHERE subscription_id = :id ORDER BY id", id=subscription
        )
        return [kind for (kind,) in told]

    async def credit(self, subscription: str) -> int:
        """The owner's credit balance, minor units."""
        found = await self.rows(
            "SELECT balance FROM credit_balances WHERE customer_id = :id", id=self.owners[subscription]
        )
        return sum(balance for (balance,) in found)

    async def books(self, subscription: str) -> dict[str, int]:
        """Sums of the subscription's own postings by account; each transaction has been found balanced."""
        found = await self.rows(
            """
            SELECT t.key, e.account, e.amount FROM ledger_entries e
            JOIN ledger_transactions t ON t.id = e.transaction_id
            WHERE t.key LIKE :pattern
            """,
            pattern=f"%:{subscription}:%",
        )
        sums: dict[str, int] = {}
        transactions: dict[str, int] = {}
        for key, account, amount in found:
            transactions[key] = transactions.get(key, 0) + amount
            sums[account] = sums.get(account, 0) + amount
        assert not any(transactions.values()), transactions
        return sums

    async def rows(self, query: str, **values: Any) -> list[Any]:
        def load() -> list[Any]:
            with self.engine.db.connect() as connection:
                return list(connection.execute(text(query), values))

        return await asyncio.to_thread(load)

    async def execute(self, statement: str, **values: Any) -> None:
        def run() -> None:
            with self.engine.db.begin() as connection:
                connection.execute(text(statement), values)

        await asyncio.to_thread(run)

    async def once_each(self, subscription: str) -> None:
        """One charge for every paid invoice, one invoice for every period, and books that agree with the gateway."""
        bills, captures = await self.bills(subscription), await self.captures(subscription)
        periods = [bill.period_no for bill in bills if bill.reason in ("first_period", "renewal")]
        assert len(periods) == len(set(periods)), f"a period is billed twice: {periods}"
        charged = [capture.charge_key.removeprefix("charge:").rpartition(":")[0] for capture in captures]
        paid = [bill.key for bill in bills if bill.status == "paid" and bill.amount_due]
        assert sorted(charged) == sorted(paid), f"charged {charged}, paid {paid}"
        books = await self.books(subscription)
        taken = sum(capture.amount - capture.refunded - capture.disputed for capture in captures)
        assert books.get("cash:simulator", 0) == taken
        open_sum = sum(bill.amount_due for bill in bills if bill.status == "open")
        assert books.get("receivable", 0) == open_sum


async def eventually(condition: Callable[[], Awaitable[T]], seconds: float = 30.0, pause: float = 0.05) -> T:
    """The first truthy answer; an error or a falsy answer means not yet, and after so many seconds it fails."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        trouble: Exception | None = None
        answer: Any = None
        try:
            answer = await condition()
        except Exception as error:  # noqa: BLE001 - raised below when time is up
            trouble = error
        if answer:
            return answer
        if loop.time() > deadline:
            raise AssertionError(f"still {answer!r} after {seconds} s") from trouble
        await asyncio.sleep(pause)
