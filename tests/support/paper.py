"""Lives on real books without a server: the core decides, the real activities carry out, PostgreSQL keeps.

What a workflow does in days happens here in milliseconds, so that random histories can be judged by the thousand steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from temporalio.testing import ActivityEnvironment

from activities.billing import BillingActivities
from activities.records import RecordActivities
from perennial.contracts import activities as tasks
from perennial.db.models import Subscription
from perennial.db.repositories import records
from perennial.domain import subscription as core
from perennial.domain.errors import PerennialError
from perennial.domain.subscription import State
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import (
    Bill,
    CloseInvoice,
    Collect,
    Credit,
    Decision,
    Effect,
    PaymentFact,
    Receive,
    Settle,
)
from perennial.engine import previews, subscriptions
from perennial.engine.context import Engine
from perennial.engine.previews import Preview
from perennial.engine.subscriptions import NewSubscription

Make = Callable[[Session, Subscription, datetime], c.Command]


@dataclass(frozen=True)
class Charged:
    """What has been billed and given back so far, by the records."""

    invoices: dict[str, dict[str, Any]]
    credited: int


@dataclass
class Paper:
    """One subscription. `engine` is to have no worker: nothing but this moves it."""

    engine: Engine
    state: State
    now: datetime
    env: ActivityEnvironment = field(default_factory=ActivityEnvironment)
    asked: int = 0

    @classmethod
    async def begin(cls, engine: Engine, new: NewSubscription, start: datetime) -> "Paper":
        paper = cls(replace(engine, clock=lambda: start), None, start)  # type: ignore[arg-type]

        def insert(session: Session) -> State:
            state = subscriptions.prepare(paper.engine, session, new)
            session.add(Subscription(**records.subscription_row(state)))
            return state

        paper.state = await paper.engine.write(insert)
        paper.engine = replace(engine, clock=lambda: paper.now)
        paper._carry_out(core.begin(paper.state))
        return paper

    def advance(self, by: timedelta) -> None:
        target = self.now + by
        while (due := core.next_due(self.state)) is not None and due.at <= target:
            self.now = max(self.now, due.at)
            self._carry_out(core.act(self.state, due))
        self.now = target

    async def preview(self, make: Make) -> Preview:
        """Raises what the command would raise."""
        return await previews.preview_change(self.engine, self.state.id, make)

    async def send(self, make: Make) -> None:
        """Raises PerennialError; nothing has happened then."""
        self.asked += 1

        def build(session: Session) -> c.Command:
            return make(session, subscriptions.require(session, self.state.id), self.now)

        command = replace(await self.engine.read(build), request_id=f"r{self.asked}", at=self.now)
        self._carry_out(core.decide(self.state, command, self.now))
        self.advance(timedelta())

    async def charged(self) -> Charged:
        def read(session: Session) -> Charged:
            invoices = session.execute(
                text("SELECT * FROM invoices WHERE subscription_id = :id ORDER BY number"), {"id": self.state.id}
            ).mappings()
            notes = "SELECT coalesce(sum(total), 0) FROM credit_notes WHERE subscription_id = :id"
            credited = session.execute(text(notes), {"id": self.state.id}).scalar_one()
            return Charged({row["id"]: dict(row) for row in invoices}, int(credited))

        return await self.engine.read(read)

    # --- what a workflow does ------------------------------------------------------------------------------------

    def _carry_out(self, decision: Decision) -> None:
        self.state = decision.state
        record: tasks.Record | None = tasks.Record(decision.state, decision.notes, decision.messages, decision.spans)
        for effect in decision.effects:
            fact = self._perform(effect, record)
            record = None
            if fact is not None:
                self._carry_out(core.settle(self.state, fact, max(fact.at, self.state.as_of)))
        self._do(RecordActivities(self.engine.sessions).record, tasks.RecordTask(self._record(), self.state.as_of))

    def _record(self) -> tasks.Record:
        return tasks.Record(self.state)

    def _perform(self, effect: Effect, record: tasks.Record | None) -> PaymentFact | None:
        billing = BillingActivities(self.engine.sessions, self.engine.gateways, self.engine.taxes)
        subject = tasks.Subject(self.state.customer_id, subscription_id=self.state.id)
        activity, task = {
            Bill: (billing.bill, tasks.BillTask),
            Collect: (billing.collect, tasks.CollectTask),
            Settle: (billing.settle, tasks.SettleTask),
            CloseInvoice: (billing.close, tasks.CloseTask),
            Credit: (billing.credit, tasks.CreditTask),
            Receive: (billing.receive, tasks.ReceiveTask),
        }[type(effect)]
        answer = self._do(activity, task(subject, effect, self.state.as_of, record))
        return answer if isinstance(answer, PaymentFact) else None  # of a credit note: its number

    def _do(self, activity: Callable[..., Any], task: Any) -> Any:
        return self.env.run(activity, task)


def command(kind: Callable[..., c.Command], **fields: Any) -> Make:
    return lambda _session, _row, at: kind(request_id="preview", at=at, **fields)


REFUSED = PerennialError
