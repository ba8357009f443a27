"""One subscription, from its first payment to its end: sleep until something is due or asked, decide, act, record.

The decisions are made by `perennial.domain.subscription`; this is their interpreter. One loop does everything, one
thing at a time: handlers only fill the inbox and wait for the answer, so two payment paths can never race.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perennial.contracts import activities as tasks
    from perennial.contracts.views import SubscriptionView, view_of
    from perennial.contracts.workflows import SUBSCRIPTION, Answer, Progress, SubscriptionInput
    from perennial.domain import subscription as core
    from perennial.domain.errors import InvalidInput, PerennialError
    from perennial.domain.subscription.commands import Command
    from perennial.domain.subscription.effects import Decision, Note
    from workflows.commands import CommandHandlers
    from workflows.effects import perform, write
    from workflows.endurance import endure
    from workflows.loop import document_date
    from workflows.signboard import Signboard

# A run is continued as new after this many events: about 20 renewals. Shorter histories replay faster when a sleeper
# wakes (it is never cached), but every continuation costs the server as much as two renewals (docs/performance.md).
EVENTS_PER_RUN = 300
REMEMBERED_ANSWERS = 50


@workflow.defn(name=SUBSCRIPTION)
class SubscriptionWorkflow(CommandHandlers):
    """See the module. The input is a state, so that a run can be started from anywhere in a subscription's life."""

    @workflow.init
    def __init__(self, start: SubscriptionInput) -> None:
        self._state = start.state
        self._answers = {answer.request_id: answer for answer in start.answers}
        self._inbox: list[Command] = []
        self._awaited: set[str] = set()
        self._busy = True
        self._recorded: SubscriptionView | None = view_of(start.state) if start.state.is_begun else None
        self._signboard = Signboard(start.state)

    @workflow.run
    async def run(self, start: SubscriptionInput) -> SubscriptionView:  # noqa: ARG002 - see __init__
        """Returns the last view when the subscription has ended."""
        return await endure(self._live())

    # --- the process ---------------------------------------------------------------------------------------------

    async def _live(self) -> SubscriptionView:
        await self._begin()
        while not self._is_over():
            await self._next_step()
            if self._is_long():
                await self._continue_as_new()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return view_of(self._state)

    async def _begin(self) -> None:
        """The first step of a life, or the one that a lost run was in when its state was recorded."""
        if not self._state.is_begun:
            await self._carry_out(core.begin(self._state))
        elif effect := core.resume_work(self._state):
            await self._carry_out(Decision(self._state, effects=(effect,)))
        self._rest()

    async def _next_step(self) -> None:
        """Wait for a command or the next due instant, whichever is effective first, and act on it."""
        step = await self._wait()
        if step is None:
            return
        self._busy = True
        if isinstance(step, Command):
            await self._obey_now(step)
        else:
            await self._carry_out(core.act(self._state, step))
        self._rest()

    async def _wait(self) -> Command | core.Due | None:
        """None when the subscription has ended and the last caller has its answer."""
        due = core.next_due(self._state)
        wake = core.wake_at(self._state, due) if due else None
        while not self._inbox:
            if due is None or wake is None:
                await workflow.wait_condition(lambda: bool(self._inbox) or self._is_over())
                if self._is_over():
                    return None
                continue
            left = wake - self._now()
            if left <= timedelta():
                return due
            try:
                summary = f"{due.kind.value} {due.at:%Y-%m-%d}"
                await workflow.wait_condition(lambda: bool(self._inbox), timeout=left, timeout_summary=summary)
            except TimeoutError:
                return due
        command = min(self._inbox, key=lambda asked: asked.at or self._now())
        if due and due.at <= self._effective(command):
            return due
        self._inbox.remove(command)
        return command

    async def _obey_now(self, command: Command) -> None:
        if command.request_id in self._state.applied:
            self._answer(Answer(command.request_id, view_of(self._state)))
            return
        at = self._effective(command)
        try:
            decision = core.decide(self._state, command, at)
        except PerennialError as refusal:
            answer = Answer(command.request_id, code=refusal.code, message=str(refusal), field=_field_of(refusal))
            self._answer(answer)
            data = {"command": type(command).__name__, "code": refusal.code, "request": command.request_id}
            note = Note(at, "refused", command.actor, data)
            await self._carry_out(Decision(replace(self._state, step=self._state.step + 1), notes=(note,)))
            return
        await self._carry_out(decision)
        self._answer(Answer(command.request_id, view_of(self._state)))

    async def _carry_out(self, decision: Decision) -> None:
        """Make the decision true: its effects in order, each answer settled before the next; then write it down.

        The first effect writes the step in its own transaction, so a renewal is one activity.
        """
        self._state = decision.state
        record: tasks.Record | None = tasks.Record(decision.state, decision.notes, decision.messages, decision.spans)
        for effect in decision.effects:
            as_of = self._as_of()
            self._recorded = view_of(self._state) if record else self._recorded
            fact = await perform(effect, self._state, as_of, record)
            record = None
            if fact is not None:
                await self._carry_out(core.settle(self._state, fact, max(fact.at, self._state.as_of)))
        view = view_of(self._state)
        if record and (record.notes or record.messages or record.spans or view != self._recorded):
            await write(record, self._as_of())
            self._recorded = view

    # --- time ----------------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        """Domain time: on a test clock the subscription's own, which may start at any instant."""
        return workflow.now() + self._state.clock_offset

    def _effective(self, command: Command) -> datetime:
        """When a command counts: as it says, but neither in the future nor before what has been acted upon."""
        now = self._now()
        at = command.at or now
        return max(at if self._state.test_clock_id else min(at, now), self._state.as_of)

    def _catch_up(self, command: Command) -> None:
        """A test clock is never behind what was asked by it: a reset has put this run's own time back."""
        if self._state.test_clock_id and command.at and command.at > self._now():
            ahead = command.at - self._now()
            self._state = replace(self._state, clock_offset=self._state.clock_offset + ahead)

    def _as_of(self) -> datetime:
        """The date that documents bear."""
        return document_date(self._state.as_of, self._now())

    # --- commands ------------------------------------------------------------------------------------------------

    async def _obey(self, command: Command) -> SubscriptionView:
        self._awaited.add(command.request_id)
        self._accept(command)
        await workflow.wait_condition(lambda: command.request_id in self._answers)
        self._awaited.discard(command.request_id)
        answer = self._answers[command.request_id]
        if answer.view is None:
            raise ApplicationError(answer.message, answer.field, type=answer.code, non_retryable=True)
        return answer.view

    def _check(self, command: Command) -> None:
        if not command.request_id:
            message = "an update needs a request_id"
            raise ApplicationError(message, type="request_id_required", non_retryable=True)
        due = core.next_due(self._state)
        at = self._effective(command)
        if self._busy or self._inbox or self._is_known(command) or (due and due.at <= at):
            return  # the loop decides when it comes to it
        try:
            core.decide(self._state, command, at)
        except PerennialError as refusal:
            raise ApplicationError(str(refusal), _field_of(refusal), type=refusal.code, non_retryable=True) from refusal

    def _accept(self, command: Command) -> None:
        """A repeated request gets the first answer; one whose answer is gone gets the view of today (`_obey_now`)."""
        if not command.request_id:
            name = f"{type(command).__name__}:{self._state.step}:{len(self._inbox)}"
            command = replace(command, request_id=name)
        if command.request_id in self._answers or any(c.request_id == command.request_id for c in self._inbox):
            return
        self._catch_up(command)
        self._inbox.append(command)

    def _is_known(self, command: Command) -> bool:
        return command.request_id in self._answers or command.request_id in self._state.applied

    def _answer(self, answer: Answer) -> None:
        """Old answers are forgotten, but not before their callers have had them: the loop may run far ahead."""
        self._answers[answer.request_id] = answer
        surplus = len(self._answers) - REMEMBERED_ANSWERS
        for name in [name for name in self._answers if name not in self._awaited][: max(surplus, 0)]:
            del self._answers[name]

    # --- rest, continuation, end ---------------------------------------------------------------------------------

    def _rest(self) -> None:
        self._busy = False
        self._signboard.show(self._state)

    def _is_over(self) -> bool:
        return self._state.status.is_ended and not self._inbox and workflow.all_handlers_finished()

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() >= EVENTS_PER_RUN

    async def _continue_as_new(self) -> None:
        """Only here, at a step boundary with every answer given, so that no command is lost.

        A handler whose command still waits would be waited for for ever: then the next boundary will do.
        """
        await workflow.wait_condition(lambda: bool(self._inbox) or workflow.all_handlers_finished())
        if not self._inbox:
            workflow.continue_as_new(SubscriptionInput(self._state, tuple(self._answers.values())))

    # --- questions -----------------------------------------------------------------------------------------------

    @workflow.query
    def view(self) -> SubscriptionView:
        """What the API shows."""
        return view_of(self._state)

    @workflow.query
    def state(self) -> core.State:
        """Everything there is to know, for support."""
        return self._state

    @workflow.query
    def progress(self) -> Progress:
        """Where the run stands, for test clocks."""
        due = core.next_due(self._state)
        wake = core.wake_at(self._state, due) if due else None
        busy = self._busy or bool(self._inbox)
        return Progress(busy, wake, self._state.status.is_ended, self._state.clock_offset)


def _field_of(refusal: PerennialError) -> str | None:
    """Which value was wrong, if it was one."""
    return refusal.field if isinstance(refusal, InvalidInput) else None
