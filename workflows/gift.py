"""One gift: pay, deliver, wait to be claimed, and hand over to the recipient's subscription.

The decisions are made by `perennial.domain.gift`; as in `workflows.subscription`, one loop does one thing at a time.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.gifts import GiftActivities
    from perennial.contracts.activities import GiftRecord, GiftRecordTask, Subject
    from perennial.contracts.workflows import GIFT, SUBSCRIPTION, GiftInput, Progress, SubscriptionInput
    from perennial.domain import gift as core
    from perennial.domain.errors import PerennialError
    from perennial.domain.gift import CancelGift, ClaimGift, GiftDecision, GiftState, GiftStatus
    from perennial.domain.subscription.commands import PaymentEvent
    from perennial.domain.subscription.opening import Opening, open_subscription
    from perennial.temporal.search_attributes import attributes_of
    from workflows.effects import ATTEMPT_TIMEOUT, RETRY, perform_for
    from workflows.endurance import endure

PUNCTUAL = timedelta(hours=1)

Asked = ClaimGift | CancelGift | PaymentEvent


@workflow.defn(name=GIFT)
class GiftWorkflow:
    """See the module. Ends with the claim, the expiry or the cancellation."""

    @workflow.init
    def __init__(self, start: GiftInput) -> None:
        self._state = start.state
        self._inbox: list[Asked] = []
        self._answers: dict[str, PerennialError | GiftState] = {}
        self._busy = True

    @workflow.run
    async def run(self, start: GiftInput) -> GiftState:  # noqa: ARG002 - see __init__
        """Returns the last state."""
        return await endure(self._live())

    async def _live(self) -> GiftState:
        if self._state.status is GiftStatus.PENDING:
            await self._carry_out(core.buy(self._state))
        self._busy = False
        while not self._state.status.is_ended:
            await self._next_step()
        while self._inbox:
            await self._obey(self._inbox.pop(0))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    async def _next_step(self) -> None:
        due = core.next_due(self._state)
        if not self._inbox and due:
            left = due.at - self._now()
            if left > timedelta():
                try:
                    summary = f"{due.kind.value} {due.at:%Y-%m-%d}"
                    await workflow.wait_condition(lambda: bool(self._inbox), timeout=left, timeout_summary=summary)
                except TimeoutError:
                    pass
        self._busy = True
        asked = self._inbox[0] if self._inbox else None
        if due and (asked is None or due.at <= self._effective(asked)):
            await self._carry_out(core.act(self._state, due))
        elif asked:
            self._inbox.remove(asked)
            await self._obey(asked)
        self._busy = False

    async def _obey(self, asked: Asked) -> None:
        at = self._effective(asked)
        try:
            if isinstance(asked, ClaimGift):
                decision = core.claim(self._state, asked, at)
            elif isinstance(asked, CancelGift):
                decision = core.cancel(self._state, asked, at)
            else:
                decision = core.payment_event(self._state, asked.attempt)
        except PerennialError as refusal:
            self._answers[asked.request_id] = refusal
            return
        await self._carry_out(decision)
        self._answers[asked.request_id] = self._state

    async def _carry_out(self, decision: GiftDecision) -> None:
        """Write the decision down, then make it true; facts about the payment lead to the next decision."""
        self._state = decision.state
        workflow.set_current_details(
            f"**{self._state.status.value}** · {self._state.periods} x {self._state.terms.name}"
        )
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

    async def _record(self, decision: GiftDecision) -> None:
        record = GiftRecord(decision.state, decision.notes, decision.messages)
        await workflow.execute_activity_method(
            GiftActivities.record,
            GiftRecordTask(record, self._as_of()),
            start_to_close_timeout=ATTEMPT_TIMEOUT,
            retry_policy=RETRY,
            summary=f"record {', '.join(note.kind for note in decision.notes) or decision.state.status.value}",
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

    def _now(self) -> datetime:
        return workflow.now() + self._state.clock_offset

    def _effective(self, asked: Asked) -> datetime:
        return max(min(asked.at or self._now(), self._now()), self._state.as_of)

    def _as_of(self) -> datetime:
        now = self._now()
        return self._state.as_of if now - self._state.as_of < PUNCTUAL else now

    @workflow.update
    async def claim(self, command: ClaimGift) -> GiftState:
        return await self._answer(command)

    @workflow.update
    async def cancel(self, command: CancelGift) -> GiftState:
        return await self._answer(command)

    @workflow.signal
    def payment_event(self, event: PaymentEvent) -> None:
        self._accept(event)

    async def _answer(self, asked: Asked) -> GiftState:
        self._accept(asked)
        await workflow.wait_condition(lambda: asked.request_id in self._answers)
        answer = self._answers[asked.request_id]
        if isinstance(answer, PerennialError):
            raise ApplicationError(str(answer), type=answer.code, non_retryable=True)
        return answer

    def _accept(self, asked: Asked) -> None:
        if not asked.request_id:
            asked = replace(asked, request_id=f"{type(asked).__name__}:{self._state.step}:{len(self._inbox)}")
        if asked.request_id not in self._answers and all(asked.request_id != a.request_id for a in self._inbox):
            self._inbox.append(asked)

    @workflow.query
    def state(self) -> GiftState:
        return self._state

    @workflow.query
    def progress(self) -> Progress:
        due = core.next_due(self._state)
        busy = self._busy or bool(self._inbox)
        return Progress(busy, due.at if due else None, self._state.status.is_ended, self._state.clock_offset)
