"""The commands of a subscription as update and signal handlers. Thin on purpose: the main loop does the work, alone.

An update answers with the new view and refuses what the state does not allow; the signal of the same name means the
same and answers nothing. Names are those of the API.
"""

from abc import ABC, abstractmethod

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perennial.contracts.views import SubscriptionView
    from perennial.domain.subscription import commands as c


class CommandHandlers(ABC):
    """Handlers may run before `run`, so the state they touch is built in `@workflow.init`."""

    @abstractmethod
    async def _obey(self, command: c.Command) -> SubscriptionView:
        """Have the loop carry the command out and answer with the view it leads to."""

    @abstractmethod
    def _check(self, command: c.Command) -> None:
        """Refuse at once what the state does not allow; a refused update leaves no trace in history."""

    @abstractmethod
    def _accept(self, command: c.Command) -> None:
        """Put a signal's command into the inbox."""

    @workflow.update
    async def pause(self, command: c.PauseSubscription) -> SubscriptionView:
        return await self._obey(command)

    @pause.validator
    def _check_pause(self, command: c.PauseSubscription) -> None:
        self._check(command)

    @workflow.signal(name="pause")
    def _signal_pause(self, command: c.PauseSubscription) -> None:
        self._accept(command)

    @workflow.update
    async def resume(self, command: c.Resume) -> SubscriptionView:
        return await self._obey(command)

    @resume.validator
    def _check_resume(self, command: c.Resume) -> None:
        self._check(command)

    @workflow.signal(name="resume")
    def _signal_resume(self, command: c.Resume) -> None:
        self._accept(command)

    @workflow.update
    async def change_plan(self, command: c.ChangePlan) -> SubscriptionView:
        return await self._obey(command)

    @change_plan.validator
    def _check_change_plan(self, command: c.ChangePlan) -> None:
        self._check(command)

    @workflow.signal(name="change_plan")
    def _signal_change_plan(self, command: c.ChangePlan) -> None:
        self._accept(command)

    @workflow.update
    async def change_quantity(self, command: c.ChangeQuantity) -> SubscriptionView:
        return await self._obey(command)

    @change_quantity.validator
    def _check_change_quantity(self, command: c.ChangeQuantity) -> None:
        self._check(command)

    @workflow.signal(name="change_quantity")
    def _signal_change_quantity(self, command: c.ChangeQuantity) -> None:
        self._accept(command)

    @workflow.update
    async def change_addons(self, command: c.ChangeAddOns) -> SubscriptionView:
        return await self._obey(command)

    @change_addons.validator
    def _check_change_addons(self, command: c.ChangeAddOns) -> None:
        self._check(command)

    @workflow.signal(name="change_addons")
    def _signal_change_addons(self, command: c.ChangeAddOns) -> None:
        self._accept(command)

    @workflow.update
    async def give_up_invoice(self, command: c.GiveUpInvoice) -> SubscriptionView:
        return await self._obey(command)

    @give_up_invoice.validator
    def _check_give_up_invoice(self, command: c.GiveUpInvoice) -> None:
        self._check(command)

    @workflow.signal(name="give_up_invoice")
    def _signal_give_up_invoice(self, command: c.GiveUpInvoice) -> None:
        self._accept(command)

    @workflow.update
    async def record_payment(self, command: c.RecordPayment) -> SubscriptionView:
        return await self._obey(command)

    @record_payment.validator
    def _check_record_payment(self, command: c.RecordPayment) -> None:
        self._check(command)

    @workflow.signal(name="record_payment")
    def _signal_record_payment(self, command: c.RecordPayment) -> None:
        self._accept(command)

    @workflow.update
    async def credit_invoice(self, command: c.CreditInvoice) -> SubscriptionView:
        return await self._obey(command)

    @credit_invoice.validator
    def _check_credit_invoice(self, command: c.CreditInvoice) -> None:
        self._check(command)

    @workflow.signal(name="credit_invoice")
    def _signal_credit_invoice(self, command: c.CreditInvoice) -> None:
        self._accept(command)

    @workflow.update
    async def set_dunning(self, command: c.SetDunning) -> SubscriptionView:
        return await self._obey(command)

    @set_dunning.validator
    def _check_set_dunning(self, command: c.SetDunning) -> None:
        self._check(command)

    @workflow.signal(name="set_dunning")
    def _signal_set_dunning(self, command: c.SetDunning) -> None:
        self._accept(command)

    @workflow.update
    async def cancel(self, command: c.Cancel) -> SubscriptionView:
        return await self._obey(command)

    @cancel.validator
    def _check_cancel(self, command: c.Cancel) -> None:
        self._check(command)

    @workflow.signal(name="cancel")
    def _signal_cancel(self, command: c.Cancel) -> None:
        self._accept(command)

    @workflow.update
    async def undo_cancel(self, command: c.UndoCancel) -> SubscriptionView:
        return await self._obey(command)

    @undo_cancel.validator
    def _check_undo_cancel(self, command: c.UndoCancel) -> None:
        self._check(command)

    @workflow.signal(name="undo_cancel")
    def _signal_undo_cancel(self, command: c.UndoCancel) -> None:
        self._accept(command)

    @workflow.update
    async def reactivate(self, command: c.Reactivate) -> SubscriptionView:
        return await self._obey(command)

    @reactivate.validator
    def _check_reactivate(self, command: c.Reactivate) -> None:
        self._check(command)

    @workflow.signal(name="reactivate")
    def _signal_reactivate(self, command: c.Reactivate) -> None:
        self._accept(command)

    @workflow.update
    async def apply_coupon(self, command: c.ApplyCoupon) -> SubscriptionView:
        return await self._obey(command)

    @apply_coupon.validator
    def _check_apply_coupon(self, command: c.ApplyCoupon) -> None:
        self._check(command)

    @workflow.signal(name="apply_coupon")
    def _signal_apply_coupon(self, command: c.ApplyCoupon) -> None:
        self._accept(command)

    @workflow.update
    async def set_payment_method(self, command: c.SetPaymentMethod) -> SubscriptionView:
        return await self._obey(command)

    @set_payment_method.validator
    def _check_set_payment_method(self, command: c.SetPaymentMethod) -> None:
        self._check(command)

    @workflow.signal(name="set_payment_method")
    def _signal_set_payment_method(self, command: c.SetPaymentMethod) -> None:
        self._accept(command)

    @workflow.update
    async def extend_trial(self, command: c.ExtendTrial) -> SubscriptionView:
        return await self._obey(command)

    @extend_trial.validator
    def _check_extend_trial(self, command: c.ExtendTrial) -> None:
        self._check(command)

    @workflow.signal(name="extend_trial")
    def _signal_extend_trial(self, command: c.ExtendTrial) -> None:
        self._accept(command)

    @workflow.update
    async def retry_payment(self, command: c.RetryPayment) -> SubscriptionView:
        return await self._obey(command)

    @retry_payment.validator
    def _check_retry_payment(self, command: c.RetryPayment) -> None:
        self._check(command)

    @workflow.signal(name="retry_payment")
    def _signal_retry_payment(self, command: c.RetryPayment) -> None:
        self._accept(command)

    @workflow.update
    async def gift(self, command: c.AddGift) -> SubscriptionView:
        return await self._obey(command)

    @gift.validator
    def _check_gift(self, command: c.AddGift) -> None:
        self._check(command)

    @workflow.signal(name="gift")
    def _signal_gift(self, command: c.AddGift) -> None:
        self._accept(command)

    @workflow.update
    async def skip_next(self, command: c.SkipNext) -> SubscriptionView:
        return await self._obey(command)

    @skip_next.validator
    def _check_skip_next(self, command: c.SkipNext) -> None:
        self._check(command)

    @workflow.signal(name="skip_next")
    def _signal_skip_next(self, command: c.SkipNext) -> None:
        self._accept(command)

    @workflow.update
    async def park(self, command: c.Park) -> SubscriptionView:
        return await self._obey(command)

    @park.validator
    def _check_park(self, command: c.Park) -> None:
        self._check(command)

    @workflow.signal(name="park")
    def _signal_park(self, command: c.Park) -> None:
        self._accept(command)

    @workflow.update
    async def unpark(self, command: c.Unpark) -> SubscriptionView:
        return await self._obey(command)

    @unpark.validator
    def _check_unpark(self, command: c.Unpark) -> None:
        self._check(command)

    @workflow.signal(name="unpark")
    def _signal_unpark(self, command: c.Unpark) -> None:
        self._accept(command)

    @workflow.update
    async def payment_event(self, command: c.PaymentEvent) -> SubscriptionView:
        return await self._obey(command)

    @payment_event.validator
    def _check_payment_event(self, command: c.PaymentEvent) -> None:
        self._check(command)

    @workflow.signal(name="payment_event")
    def _signal_payment_event(self, command: c.PaymentEvent) -> None:
        self._accept(command)

    @workflow.update
    async def dispute_event(self, command: c.DisputeEvent) -> SubscriptionView:
        return await self._obey(command)

    @dispute_event.validator
    def _check_dispute_event(self, command: c.DisputeEvent) -> None:
        self._check(command)

    @workflow.signal(name="dispute_event")
    def _signal_dispute_event(self, command: c.DisputeEvent) -> None:
        self._accept(command)
