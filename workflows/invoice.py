"""One one-off invoice: issue it, collect it or wait for it, until it is paid, taken back or written off.

The decisions are made by `perennial.domain.one_off`; as in `workflows.subscription`, one loop does one thing at a time.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.one_off import OneOffActivities
    from perennial.contracts.activities import OneOffRecord, OneOffRecordTask, Subject
    from perennial.contracts.workflows import INVOICE, InvoiceInput, Progress
    from perennial.domain import one_off as core
    from perennial.domain.errors import PerennialError
    from perennial.domain.one_off import OneOffDecision, OneOffState, PayInvoice
    from perennial.domain.subscription.commands import Command, GiveUpInvoice, PaymentEvent, RecordPayment
    from workflows.effects import ATTEMPT_TIMEOUT, RETRY, perform_for
    from workflows.endurance import endure

PUNCTUAL = timedelta(hours=1)


@workflow.defn(name=INVOICE)
class InvoiceWorkflow:
    """See the module. Its id is that of the invoice. Ends when nothing is owed any more."""

    @workflow.init
    def __init__(self, start: InvoiceInput) -> None:
        self._state = start.state
        self._inbox: list[Command] = []
        self._answers: dict[str, PerennialError | OneOffState] = {}
        self._busy = True

    @workflow.run
    async def run(self, start: InvoiceInput) -> OneOffState:  # noqa: ARG002 - see __init__
        """Returns the last state."""
        return await endure(self._live())

    async def _live(self) -> OneOffState:
        await self._begin()
        self._busy = False
        while not self._state.status.is_ended:
            await self._next_step()
        while self._inbox:
            await self._obey(self._inbox.pop(0))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    async def _begin(self) -> None:
        """Issue it, or go on with what a lost run was doing."""
        effect = core.resume_work(self._state)
        if effect:
            await self._carry_out(OneOffDecision(self._state, (effect,)))
        elif not self._state.attempt:
            decision = OneOffDecision(self._state) if self._state.step else core.begin(self._state)
            await self._issue(decision)

    async def _issue(self, decision: OneOffDecision) -> None:
        self._show(decision)
        fact = await workflow.execute_activity_method(
            OneOffActivities.issue,
            self._task(decision),
            start_to_close_timeout=ATTEMPT_TIMEOUT,
            retry_policy=RETRY,
            summary=f"issue {self._state.id}",
        )
        await self._follow(core.settle(self._state, fact))

    async def _next_step(self) -> None:
        due = core.next_due(self._state)
        if not self._inbox:
            left = due.at - self._now() if due else None
            summary = f"{due.kind.value} {due.at:%Y-%m-%d}" if due else None
            if left is None or left > timedelta():
                with suppress(TimeoutError):
                    await workflow.wait_condition(lambda: bool(self._inbox), timeout=left, timeout_summary=summary)
        self._busy = True
        asked = self._inbox[0] if self._inbox else None
        if due and (asked is None or due.at <= self._effective(asked)):
            await self._carry_out(core.act(self._state, due))
        elif asked:
            self._inbox.remove(asked)
            await self._obey(asked)
        self._busy = False

    async def _obey(self, asked: Command) -> None:
        try:
            decision = core.decide(self._state, asked, self._effective(asked))
        except PerennialError as refusal:
            self._answers[asked.request_id] = refusal
            return
        await self._carry_out(decision)
        self._answers[asked.request_id] = self._state

    async def _carry_out(self, decision: OneOffDecision) -> None:
        """Write the decision down, then make it true; facts about the payment lead to the next decision."""
        is_news = decision.state != self._state
        self._show(decision)
        if is_news:
            await self._record(decision)
        for effect in decision.effects:
            fact = await perform_for(Subject(self._state.customer_id), effect, self._as_of(), None)
            if fact is not None:
                await self._follow(core.settle(self._state, fact))

    async def _follow(self, decision: OneOffDecision) -> None:
        if decision.state != self._state:
            await self._carry_out(decision)

    async def _record(self, decision: OneOffDecision) -> None:
        await workflow.execute_activity_method(
            OneOffActivities.record,
            self._task(decision),
            start_to_close_timeout=ATTEMPT_TIMEOUT,
            retry_policy=RETRY,
            summary=f"record {', '.join(note.kind for note in decision.notes) or decision.state.status.value}",
        )

    def _task(self, decision: OneOffDecision) -> OneOffRecordTask:
        return OneOffRecordTask(OneOffRecord(decision.state, decision.notes, decision.messages), self._as_of())

    def _show(self, decision: OneOffDecision) -> None:
        self._state = decision.state
        workflow.set_current_details(f"**{self._state.status.value}** · one-off invoice")

    # --- time, as in `workflows.subscription` --------------------------------------------------------------------

    def _now(self) -> datetime:
        return workflow.now() + self._state.clock_offset

    def _effective(self, asked: Command) -> datetime:
        return max(min(asked.at or self._now(), self._now()), self._state.as_of)

    def _as_of(self) -> datetime:
        now = self._now()
        return self._state.as_of if now - self._state.as_of < PUNCTUAL else now

    # --- messages ------------------------------------------------------------------------------------------------

    @workflow.update
    async def pay(self, command: PayInvoice) -> OneOffState:
        return await self._answer(command)

    @workflow.update
    async def give_up_invoice(self, command: GiveUpInvoice) -> OneOffState:
        return await self._answer(command)

    @workflow.update
    async def record_payment(self, command: RecordPayment) -> OneOffState:
        return await self._answer(command)

    @workflow.signal
    def payment_event(self, event: PaymentEvent) -> None:
        self._accept(event)

    async def _answer(self, asked: Command) -> OneOffState:
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
    def state(self) -> OneOffState:
        return self._state

    @workflow.query
    def progress(self) -> Progress:
        due = core.next_due(self._state)
        busy = self._busy or bool(self._inbox)
        return Progress(busy, due.at if due else None, self._state.status.is_ended, self._state.clock_offset)
