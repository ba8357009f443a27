"""One gift: pay, deliver, wait to be claimed, and hand over to the recipient's subscription.

The decisions are made by `perennial.domain.gift`; the loop is `workflows.loop`.
"""

from datetime import datetime

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.gifts import GiftActivities
    from perennial.contracts.activities import GiftRecord, GiftRecordTask, Subject
    from perennial.contracts.workflows import GIFT, SUBSCRIPTION, GiftInput, SubscriptionInput
    from perennial.domain import gift as core
    from perennial.domain.gift import CancelGift, ClaimGift, GiftDecision, GiftDue, GiftState, GiftStatus
    from perennial.domain.subscription.commands import Command, PaymentEvent
    from perennial.domain.subscription.opening import Opening, open_subscription
    from perennial.temporal.search_attributes import attributes_of
    from workflows.effects import execute, perform_for
    from workflows.endurance import endure
    from workflows.loop import Loop
    from workflows.signboard import board, coming, linked, page_of


@workflow.defn(name=GIFT)
class GiftWorkflow(Loop[GiftState, GiftDue, GiftDecision]):
    """See the module. Ends with the claim, the expiry or the cancellation."""

    @workflow.init
    def __init__(self, start: GiftInput) -> None:
        super().__init__(start.state)

    @workflow.run
    async def run(self, start: GiftInput) -> GiftState:  # noqa: ARG002 - see __init__
        """Returns the last state."""
        return await endure(self._live())

    async def _begin(self) -> None:
        if self._state.status is GiftStatus.PENDING:
            await self._carry_out(core.buy(self._state))

    def _due(self) -> GiftDue | None:
        return core.next_due(self._state)

    def _act(self, due: GiftDue) -> GiftDecision:
        return core.act(self._state, due)

    def _decide(self, asked: Command, at: datetime) -> GiftDecision:
        return core.decide(self._state, asked, at)

    async def _carry_out(self, decision: GiftDecision) -> None:
        """Write the decision down, then make it true; facts about the payment lead to the next decision."""
        self._state = decision.state
        self._show()
        await self._record(decision)
        if decision.opening:
            await self._start_subscription(decision.opening)
        subject = Subject(self._state.giver_id, gift_id=self._state.id)
        for effect in decision.effects:
            fact = await perform_for(subject, effect, self._as_of(), None)
            if fact is not None:
                follow = core.settle(self._state, fact)
                if follow.state != self._state:
                    await self._carry_out(follow)

    def _show(self) -> None:
        state, due = self._state, core.next_due(self._state)
        lines = [coming(due.kind.value, due.at)] if due else []
        if state.subscription_id:
            lines.append(f"became: {linked(f'subscriptions/{state.subscription_id}', f'`{state.subscription_id}`')}")
        heading = f"**{state.status.value}** · {state.periods} x {state.terms.name}"
        workflow.set_current_details(board(heading, [*lines, page_of("others", state.id)]))

    async def _record(self, decision: GiftDecision) -> None:
        record = GiftRecord(decision.state, decision.notes, decision.messages)
        await execute(
            GiftActivities.record,
            GiftRecordTask(record, self._as_of()),
            f"record {', '.join(note.kind for note in decision.notes) or decision.state.status.value}",
        )

    async def _start_subscription(self, opening: Opening) -> None:
        """A child that outlives its parent; it takes the parent's clock along."""
        state = open_subscription(opening)
        try:
            await workflow.start_child_workflow(
                SUBSCRIPTION,
                SubscriptionInput(state),
                id=state.id,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                search_attributes=attributes_of(state),
                static_summary=f"{state.terms.name} x {state.quantity} · gift {self._state.id}",
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("the subscription of this gift has begun before")  # this run was reset

    @workflow.update
    async def claim(self, command: ClaimGift) -> GiftState:
        return await self._answer(command)

    @workflow.update
    async def cancel(self, command: CancelGift) -> GiftState:
        return await self._answer(command)

    @workflow.signal
    def payment_event(self, event: PaymentEvent) -> None:
        self._accept(event)

    @workflow.query
    def state(self) -> GiftState:
        return self._state
