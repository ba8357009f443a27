"""After a restore of an older database: what has happened since is written again, from the histories and the gateway.

A workflow's history holds every activity with all that it was handed. Each is safe to run again; so each that was
completed since the backup is run again here, in the old order, with the old dates, while no worker runs. The gateway is
only looked at: nothing is charged, refunded or withdrawn. Nothing is told to customers a second time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_type_hints

from sqlalchemy import Engine as Database
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perennial.backup import database, gaps
from perennial.backup.disputes import Disputes
from perennial.backup.histories import HEARD_OF_DISPUTE, Done, done_since
from perennial.backup.look_only import LookOnly, Memory
from perennial.backup.numbering import Numbering
from perennial.backup.restore import DatabaseInUse
from perennial.contracts import activities as tasks
from perennial.db.repositories import invoices
from perennial.db.repositories.numbers import CREDIT_NOTE, INVOICE
from perennial.domain import keys
from perennial.domain.subscription.commands import DisputeEvent
from perennial.domain.subscription.effects import Paper, PaymentFact
from perennial.engine.context import Engine
from perennial.ports import KeepsReferences

# The clocks of PostgreSQL and Temporal may be apart; what is told again although it is there is found done.
MARGIN = timedelta(minutes=5)
_FAREWELL_SECONDS = 2.0
_ISSUING = frozenset({"bill", "credit", "issue_one_off"})

Activity = Callable[..., Any]
Build = Callable[[Engine], Mapping[str, Activity]]
"""The activities that write rows, by name. They live above this package, so they are handed in."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A subject of which no more could be written, and why. What it did until then is there."""

    subject: str
    activity: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """`told` activities of `subjects` were run again; `messages` were not sent again; `disputes` were booked and
    `references` of gateways written again. The rest is what is lost.
    """

    told: int
    subjects: int
    messages: int
    disputes: int
    references: int
    customers: tuple[str, ...]
    payment_methods: tuple[str, ...]
    lost_disputes: tuple[str, ...]
    stopped: tuple[Stopped, ...]
    unknown: Mapping[str, int]

    @property
    def is_whole(self) -> bool:
        return not (self.customers or self.payment_methods or self.lost_disputes or self.stopped or self.unknown)


class _Differs(Exception):
    """What an invoice would come to now is not what it came to."""


async def recover(engine: Engine, since: datetime, build: Build) -> Recovered:
    """Write again what was done since `since`, the instant of the backup (UTC). Safe to repeat.

    Raises:
        DatabaseInUse: API, workers or relays hold connections to the database.
        EngineUnavailable: PostgreSQL or Temporal is away.
        GatewayError: a gateway does not answer.
    """
    await asyncio.to_thread(_require_quiet, engine)
    done = await done_since(engine, since - MARGIN)
    references = await asyncio.to_thread(_recall, engine, since - MARGIN)
    return await _Recovery(engine, build, since - MARGIN).tell(done, references)


class _Recovery:
    def __init__(self, engine: Engine, build: Build, since: datetime) -> None:
        self._engine = engine
        self._disputes = Disputes(engine, since)
        self._memory = Memory()
        gateways = engine.gateways.each(lambda gateway: LookOnly(gateway, self._memory))
        self._activities = build(replace(engine, gateways=gateways))
        self._stand_ins = gaps.StandIns()
        self._stopped: dict[str, Stopped] = {}

    async def tell(self, done: Iterable[Done], references: int) -> Recovered:
        engine, known, unknown = self._engine, [], Counter[str]()
        for one in done:
            if one.activity in self._activities or one.activity == HEARD_OF_DISPUTE:
                known.append((one, await self._task(one), await self._answer(one)))
            else:
                unknown[one.activity] += 1
        promised = [number for _, task, answer in known if (number := _number(task, answer))]
        numbering = await engine.write(lambda session: Numbering(session, promised))
        told = 0
        for one, task, answer in known:
            if isinstance(task, DisputeEvent):
                await asyncio.to_thread(self._disputes.hear, task)
            elif one.subject not in self._stopped:
                told += await asyncio.to_thread(self._tell_one, one, task, answer, numbering)
        messages = await engine.write(lambda session: self._finish(session, numbering))
        await asyncio.to_thread(self._disputes.rest)
        return Recovered(
            told=told,
            subjects=len({one.subject for one, _, _ in known}),
            messages=messages,
            disputes=len(self._disputes.booked),
            references=references,
            customers=tuple(sorted(self._stand_ins.customers)),
            payment_methods=tuple(sorted(self._stand_ins.payment_methods)),
            lost_disputes=tuple(sorted(self._disputes.lost)),
            stopped=tuple(self._stopped.values()),
            unknown=dict(unknown),
        )

    async def _task(self, one: Done) -> Any:
        if one.activity == HEARD_OF_DISPUTE:
            [heard] = await self._engine.temporal.data_converter.decode(one.given, [DisputeEvent])
            return heard
        kind = get_type_hints(self._activities[one.activity])["task"]
        [task] = await self._engine.temporal.data_converter.decode(one.given, [kind])
        return task

    async def _answer(self, one: Done) -> Any:
        if not one.answered:
            return None
        kind = get_type_hints(self._activities[one.activity])["return"]
        [answer] = await self._engine.temporal.data_converter.decode(one.answered, [kind])
        return answer

    def _tell_one(self, one: Done, task: Any, answer: Any, numbering: Numbering) -> int:
        """In a thread: 1, or 0 when its subject is given up."""
        engine = self._engine
        self._memory.fact = answer if isinstance(answer, PaymentFact) else None
        number = _number(task, answer)
        environment = ActivityEnvironment()
        # A second attempt: it looks for what the first one did before it does anything.
        environment.info = replace(
            ActivityEnvironment.default_info(), workflow_id=one.subject, workflow_run_id=one.run_id, attempt=2
        )
        try:
            with engine.sessions() as session, session.begin():
                self._stand_in(session, task)
            if isinstance(task, tasks.BillTask) and isinstance(answer, PaymentFact) and answer.paper:
                self._require_same(task, answer.paper, numbering)
            if one.activity in _ISSUING:
                with engine.sessions() as session, session.begin():
                    numbering.expect(session, *(number or (INVOICE, None)))
            environment.run(self._activities[one.activity], task)
        except (ApplicationError, LookupError, IntegrityError, _Differs) as error:
            reason = str(error.orig if isinstance(error, IntegrityError) else error).partition("\n")[0]
            self._stopped[one.subject] = Stopped(one.subject, one.activity, one.at, reason)
            return 0
        if number:
            numbering.take(*number)
        if one.activity in _ISSUING and (number is None or _gives_back(task)):
            with engine.sessions() as session:
                numbering.look(session)
        return 1

    def _stand_in(self, session: Session, task: Any) -> None:
        """For the rows that the task refers to and that are gone."""
        at, customer = task.as_of, _customer(task)
        if customer is not None:
            self._stand_ins.customer(session, customer, at)
        record = getattr(task, "record", None)
        state = record.state if record else None
        self._stand_ins.clock(session, getattr(state, "test_clock_id", None), at)
        effect = getattr(task, "effect", None)
        if customer is not None and (method := getattr(effect, "payment_method_id", None)):
            self._stand_ins.method(session, method, customer, self._engine.gateways.primary.name, at)

    def _require_same(self, task: tasks.BillTask, paper: Paper, numbering: Numbering) -> None:
        """Issue it and take it back: what it comes to can have changed when usage or credit is lost.

        Raises:
            _Differs: it has. Nothing is written then.
        """
        draft = task.effect.draft
        with self._engine.sessions() as session:
            numbering.expect(session, INVOICE, paper.number)
            found = invoices.find(session, draft.key)
            made = found or invoices.issue(session, task.subject, draft, task.as_of, self._engine.taxes)
            session.rollback()
        now = (made.total, made.amount_due) if made else (0, 0)
        if now != (paper.total, paper.due):
            raise _Differs(
                f"{keys.invoice_id(draft.key)} came to {paper.total} ({paper.due} due) {draft.currency} minor units; "
                f"from what is left of usage, credit and taxes it would come to {now[0]} ({now[1]} due)"
            )

    def _finish(self, session: Session, numbering: Numbering) -> int:
        now = self._engine.clock()
        numbering.look(session)
        numbering.finish(session)
        self._stand_ins.finish(session, now)
        gaps.catch_clocks_up(session)
        return gaps.tell_nobody_again(session, now)


def _recall(engine: Engine, since: datetime) -> int:
    """First of all: by its references a gateway finds what the histories speak of."""
    return sum(gateway.recall(since) for gateway in engine.gateways if isinstance(gateway, KeepsReferences))


def _require_quiet(engine: Engine) -> None:
    """Nobody else works on the database: a worker would go on where rows are still missing."""
    url = engine.db.url.render_as_string(hide_password=False)
    engine.db.dispose()  # our own sessions bear the same name, and PostgreSQL sees them off in its own time
    side = database.connect(url)
    deadline = time.monotonic() + _FAREWELL_SECONDS
    try:
        while count := _sessions(side):
            if time.monotonic() > deadline:
                raise DatabaseInUse(
                    f"{count} connections of running API, worker or relay processes are open: stop them until the "
                    "recovery is done, or they go on where rows are still missing"
                )
            time.sleep(0.05)
    finally:
        side.dispose()


def _sessions(side: Database) -> int:
    """Each time in a transaction of its own, for what it sees of others stays the same in one."""
    with side.connect() as connection:
        return database.sessions(connection)


def _customer(task: Any) -> str | None:
    if subject := getattr(task, "subject", None):
        found: str = subject.customer_id
        return found
    return getattr(task.record.state, "customer_id", None)


def _gives_back(task: Any) -> bool:
    """Whether a credit note may stand beside the invoice: its number is in no answer."""
    return isinstance(task, tasks.BillTask) and any(line.charged < 0 for line in task.effect.draft.lines)


def _number(task: Any, answer: Any) -> tuple[str, str] | None:
    if isinstance(answer, PaymentFact) and answer.paper and answer.paper.number:
        return INVOICE, answer.paper.number
    return (CREDIT_NOTE, answer) if isinstance(task, tasks.CreditTask) and isinstance(answer, str) else None
