"""What a workflow does all its life: wait for what is due or asked, do one thing at a time, answer.

Of a gift and of a one-off invoice; a subscription's loop knows more (`workflows.subscription`). Handlers only fill the
inbox and wait for the answer, so nothing that is asked can meet what is being done.
"""

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perennial.contracts.workflows import Progress
    from perennial.domain.errors import PerennialError
    from perennial.domain.subscription.commands import Command

# What happens within the hour happened on time: its documents bear the exact instant that was due. What is later (an
# outage, a reset) bears the instant at which it was really done.
PUNCTUAL = timedelta(hours=1)


def document_date(as_of: datetime, now: datetime) -> datetime:
    """The date that documents bear of what was due at `as_of` and is done at `now`; both in domain time."""
    return as_of if now - as_of < PUNCTUAL else now


class _Status(Protocol):
    @property
    def is_ended(self) -> bool: ...


class _Standing(Protocol):
    """A state, as far as the loop looks at it."""

    @property
    def status(self) -> _Status: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def clock_offset(self) -> timedelta: ...
    @property
    def step(self) -> int: ...


class _Due(Protocol):
    @property
    def kind(self) -> StrEnum: ...
    @property
    def at(self) -> datetime: ...


State = TypeVar("State", bound=_Standing)
Due = TypeVar("Due", bound=_Due)
Decision = TypeVar("Decision")


class Loop(ABC, Generic[State, Due, Decision]):
    """Handlers may run before `run`, so a workflow calls this in `@workflow.init`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._inbox: list[Command] = []
        self._answers: dict[str, PerennialError | State] = {}
        self._busy = True

    # --- what each decides by rules of its own -----------------------------------------------------------------------

    @abstractmethod
    async def _begin(self) -> None:
        """The first step of its life, or the one that a lost run was in."""

    @abstractmethod
    def _due(self) -> Due | None:
        """What happens next by itself."""

    @abstractmethod
    def _act(self, due: Due) -> Decision:
        """What is to be done, for it is due."""

    @abstractmethod
    def _decide(self, asked: Command, at: datetime) -> Decision:
        """What is to be done, for it was asked. Raises PerennialError: it is refused."""

    @abstractmethod
    async def _carry_out(self, decision: Decision) -> None:
        """Write the decision down, then make it true."""

    # --- the process -------------------------------------------------------------------------------------------------

    async def _live(self) -> State:
        await self._begin()
        self._busy = False
        while not self._state.status.is_ended:
            await self._next_step()
        while self._inbox:
            await self._obey(self._inbox.pop(0))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    async def _next_step(self) -> None:
        due = self._due()
        if not self._inbox:
            left = due.at - self._now() if due else None
            summary = f"{due.kind.value} {due.at:%Y-%m-%d}" if due else None
            if left is None or left > timedelta():
                with suppress(TimeoutError):
                    await workflow.wait_condition(lambda: bool(self._inbox), timeout=left, timeout_summary=summary)
        self._busy = True
        asked = self._inbox[0] if self._inbox else None
        if due and (asked is None or due.at <= self._effective(asked)):
            await self._carry_out(self._act(due))
        elif asked:
            self._inbox.remove(asked)
            await self._obey(asked)
        self._busy = False

    async def _obey(self, asked: Command) -> None:
        try:
            decision = self._decide(asked, self._effective(asked))
        except PerennialError as refusal:
            self._answers[asked.request_id] = refusal
            return
        await self._carry_out(decision)
        self._answers[asked.request_id] = self._state

    # --- time, as in `workflows.subscription` ------------------------------------------------------------------------

    def _now(self) -> datetime:
        return workflow.now() + self._state.clock_offset

    def _effective(self, asked: Command) -> datetime:
        return max(min(asked.at or self._now(), self._now()), self._state.as_of)

    def _as_of(self) -> datetime:
        return document_date(self._state.as_of, self._now())

    # --- messages ----------------------------------------------------------------------------------------------------

    async def _answer(self, asked: Command) -> State:
        self._accept(asked)
        await workflow.wait_condition(lambda: asked.request_id in self._answers)
        answer = self._answers[asked.request_id]
        if isinstance(answer, PerennialError):
            raise ApplicationError(str(answer), type=answer.code, non_retryable=True)
        return answer

    def _accept(self, asked: Command) -> None:
        if not asked.request_id:
            asked = replace(asked, request_id=f"{type(asked).__name__}:{self._state.step}:{len(self._inbox)}")
        if asked.request_id not in self._answers and all(asked.request_id != a.request_id for a in self._inbox):
            self._inbox.append(asked)

    @workflow.query
    def progress(self) -> Progress:
        """Where the run stands, for test clocks."""
        due = self._due()
        busy = self._busy or bool(self._inbox)
        return Progress(busy, due.at if due else None, self._state.status.is_ended, self._state.clock_offset)
