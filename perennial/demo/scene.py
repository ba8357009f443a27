"""One customer on the engine: asks for things, and compares what a preview promised with what was then done."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import CreditNote, Invoice, Subscription
from perennial.demo.population import Person
from perennial.domain.errors import CommandRefused, EngineUnavailable, InvalidInput, PerennialError
from perennial.domain.subscription.commands import Command
from perennial.domain.subscription.state import Collection
from perennial.engine import previews, states, subscriptions
from perennial.engine.context import Engine
from perennial.engine.previews import Preview
from perennial.engine.runs import CommandPending

T = TypeVar("T")

# Builds the command `request_id`, effective at `at`, for the subscription's row.
Build = Callable[[Session, Subscription, datetime, str], Command]

_TRIES = 8
_PAUSE_SECONDS = 0.5


@dataclass(slots=True)
class Diary:
    """What was asked of the engine, in all scenes: by name, how often it was done and how often refused.

    `surprises` are previews that did not come true, and refusals that only one of preview and command gave.
    """

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    previews: int = 0


@dataclass(frozen=True, slots=True)
class _Money:
    """Ids of the documents of a subscription."""

    invoices: frozenset[str]
    credit_notes: frozenset[str]


@dataclass(slots=True)
class Scene:
    """`subscription` and `gift` are the last ones that this person has got or bought, `clock` is the group's."""

    engine: Engine
    diary: Diary
    person: Person
    clock: str
    customer: str
    chance: Random
    subscription: str | None = None
    gift: str | None = None
    claim_code: str | None = None
    requests: int = 0

    async def ask(self, name: str, build: Build) -> None:
        """Send a command that may be refused; preview it first. Nothing to ask without a subscription."""
        subscription = self.subscription
        if subscription is None:
            return
        await self._rest(subscription)
        self.requests += 1
        request = f"{self.person.seed}:{self.requests}"

        def make(session: Session, row: Subscription, at: datetime) -> Command:
            return build(session, row, at, request)

        promise = await self._answer(lambda: previews.preview_change(self.engine, subscription, make))
        before = await self._documents(subscription)
        answer = await self._answer(lambda: subscriptions.command(self.engine, subscription, name, make))
        refusal = answer if isinstance(answer, PerennialError) else None
        self.count(name, refusal)
        what = f"{name} of {subscription} ({self.person.role}, {request})"
        promised = promise.code if isinstance(promise, PerennialError) else "done"
        happened = refusal.code if refusal else "done"
        if promised != happened:
            self.diary.surprises.append(f"{what}: the preview says {promised}, the command {happened}")
        elif isinstance(promise, Preview):
            await self._compare(what, promise, before, subscription)

    async def attempt(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do something else that may be refused; None when it was."""
        answer = await self._answer(work)
        if isinstance(answer, PerennialError):
            self.count(name, answer)
            return None
        self.count(name, None)
        return answer

    def count(self, name: str, refusal: PerennialError | None) -> None:
        if refusal:
            self.diary.refused[name] += 1
            self.diary.reasons[refusal.code] += 1
        else:
            self.diary.done[name] += 1

    async def _answer(self, work: Callable[[], Awaitable[T]]) -> T | PerennialError:
        """A busy machine may make us come again, with the same request id."""
        for _ in range(_TRIES):
            try:
                return await work()
            except (CommandPending, EngineUnavailable):
                await asyncio.sleep(_PAUSE_SECONDS)
            except (CommandRefused, InvalidInput) as refusal:
                return refusal
        return await work()

    async def _rest(self, subscription: str) -> None:
        """Until no payment is in flight: a preview in the middle of one cannot know how it ends."""
        for _ in range(_TRIES):
            case = await self._case(subscription)
            if case is None or not case.in_flight:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _owes(self, subscription: str) -> bool:
        case = await self._case(subscription)
        return case is not None and not case.in_flight

    async def _case(self, subscription: str) -> Collection | None:
        """The invoice that is being collected, if there is one."""

        def load(session: Session) -> Collection | None:
            return states.current(session, subscriptions.require(session, subscription)).collection

        return await self.engine.read(load)

    async def _documents(self, subscription: str) -> _Money:
        def load(session: Session) -> _Money:
            bills = session.scalars(select(Invoice.id).where(Invoice.subscription_id == subscription))
            notes = session.scalars(select(CreditNote.id).where(CreditNote.subscription_id == subscription))
            return _Money(frozenset(bills), frozenset(notes))

        return await self.engine.read(load)

    async def _compare(self, what: str, promise: Preview, before: _Money, subscription: str) -> None:
        def load(session: Session) -> tuple[list[int], list[int]]:
            bills = session.scalars(
                select(Invoice.amount_due)
                .where(Invoice.subscription_id == subscription, Invoice.id.not_in(before.invoices))
                .order_by(Invoice.number)
            )
            notes = session.scalars(
                select(CreditNote.total).where(
                    CreditNote.subscription_id == subscription, CreditNote.id.not_in(before.credit_notes)
                )
            )
            return list(bills), list(notes)

        self.diary.previews += 1
        for _ in range(_TRIES):
            bills, notes = await self.engine.read(load)
            charged, credited = sum(bills[:1]), sum(notes)
            if (charged, credited) == (promise.amount_due, promise.credit_issued):
                break
            if await self._owes(subscription):
                break  # a preview takes it that payments go through; what would have followed has not
            await asyncio.sleep(_PAUSE_SECONDS)  # what falls due with the command is done just after it is answered
        else:
            self.diary.surprises.append(
                f"{what}: promised {promise.amount_due} due and {promise.credit_issued} credited, "
                f"came {charged} and {credited}"
            )
