"""One one-off invoice: issue it, collect it or wait for it, until it is paid, taken back or written off.

The decisions are made by `perennial.domain.one_off`; the loop is `workflows.loop`.
"""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.one_off import OneOffActivities
    from perennial.contracts.activities import OneOffRecord, OneOffRecordTask, Subject
    from perennial.contracts.workflows import INVOICE, InvoiceInput
    from perennial.domain import one_off as core
    from perennial.domain.one_off import OneOffDecision, OneOffDue, OneOffState, PayInvoice
    from perennial.domain.subscription.commands import Command, GiveUpInvoice, PaymentEvent, RecordPayment
    from workflows.effects import execute, perform_for
    from workflows.endurance import endure
    from workflows.loop import Loop
    from workflows.signboard import board, coming, page_of


@workflow.defn(name=INVOICE)
class InvoiceWorkflow(Loop[OneOffState, OneOffDue, OneOffDecision]):
    """See the module. Its id is that of the invoice. Ends when nothing is owed any more."""

    @workflow.init
    def __init__(self, start: InvoiceInput) -> None:
        super().__init__(start.state)

    @workflow.run
    async def run(self, start: InvoiceInput) -> OneOffState:  # noqa: ARG002 - see __init__
        """Returns the last state."""
        return await endure(self._live())

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
        fact = await execute(OneOffActivities.issue, self._task(decision), f"issue {self._state.id}")
        await self._follow(core.settle(self._state, fact))

    def _due(self) -> OneOffDue | None:
        return core.next_due(self._state)

    def _act(self, due: OneOffDue) -> OneOffDecision:
        return core.act(self._state, due)

    def _decide(self, asked: Command, at: datetime) -> OneOffDecision:
        return core.decide(self._state, asked, at)

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
        await execute(
            OneOffActivities.record,
            self._task(decision),
            f"record {', '.join(note.kind for note in decision.notes) or decision.state.status.value}",
        )

    def _task(self, decision: OneOffDecision) -> OneOffRecordTask:
        return OneOffRecordTask(OneOffRecord(decision.state, decision.notes, decision.messages), self._as_of())

    def _show(self, decision: OneOffDecision) -> None:
        self._state = decision.state
        due = core.next_due(self._state)
        lines = [coming(due.kind.value, due.at)] if due else []
        heading = f"**{self._state.status.value}** · one-off invoice"
        workflow.set_current_details(board(heading, [*lines, page_of("invoices", self._state.id)]))

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

    @workflow.query
    def state(self) -> OneOffState:
        return self._state
