"""The money of a subscription or gift: issue, collect, settle, give up, give back.

Every method is safe to run again at any point: what has been done is found under its business key and answered as it
was. The order is always the same: write down what will be tried, commit, ask the gateway, write down what it said.
"""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session
from temporalio import activity

from activities.credits import promise, send
from activities.errors import translated
from perennial.contracts import activities as tasks
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import dunning, invoices, payments, records, routing
from perennial.db.repositories.dunning import Case
from perennial.db.repositories.invoices import IssuedInvoice
from perennial.db.repositories.payments import Attempt
from perennial.db.repositories.routing import Way
from perennial.db.repositories.statuses import OPEN, PAID
from perennial.domain.subscription.effects import PaymentFact, PaymentStatus, Trigger
from perennial.gateways.enabled import Gateways
from perennial.observability import metrics
from perennial.ports import (
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    TaxCalculator,
    UnknownToken,
)


class BillingActivities:
    """`sessions` open units of work; the gateway of an attempt is asked between them and never inside one."""

    def __init__(self, sessions: Sessions, gateways: Gateways, taxes: TaxCalculator) -> None:
        self._sessions = sessions
        self._gateways = gateways
        self._taxes = taxes

    @activity.defn
    def bill(self, task: tasks.BillTask) -> PaymentFact:
        """Issue the invoice and make the first attempt at it."""
        with translated():
            draft, effect, sender = task.effect.draft, task.effect, uuid4().hex
            with unit_of_work(self._sessions) as session:
                found = invoices.find(session, draft.key)
                self._write(session, task.record, task.as_of)
                invoice = found or invoices.issue(session, task.subject, draft, task.as_of, self._taxes)
                if invoice is None:
                    return _nothing_owed(draft.key, 0, task.as_of)
                attempt = payments.find(session, invoice.id, 1) if found and effect.collect else None
                if attempt is None and invoice.status == OPEN and effect.collect:
                    attempt = self._begin(
                        session, invoice, 1, effect.payment_method_id, Trigger.AUTOMATIC, task.as_of, sender
                    )
                sent = attempt is None and draft.due_at is not None
                case = dunning.case_of(session, invoice, task.as_of) if sent else Case()
            if found is None:
                metrics.billed(task)
            if attempt is None:
                return replace(_issued_fact(invoice, case), paper=invoice.paper)
            fact = self._finish(invoice, attempt, task.as_of, sender, look_first=found is not None)
            return replace(fact, paper=invoice.paper)

    @activity.defn
    def collect(self, task: tasks.CollectTask) -> PaymentFact:
        """Make a further attempt, after any older one whose outcome is not known has been cleared up."""
        with translated():
            effect, sender = task.effect, uuid4().hex
            with unit_of_work(self._sessions) as session:
                self._write(session, task.record, task.as_of)
                found = invoices.find(session, effect.invoice)
                if found is None:
                    return _nothing_owed(effect.invoice, effect.attempt, task.as_of)
                invoice = found
                made = payments.find(session, invoice.id, effect.attempt)
                unclear = payments.live(session, invoice.id)
            if made is not None and made.status not in payments.LIVE:
                return self._told(invoice, made)
            for older in (attempt for attempt in unclear if attempt.n != effect.attempt):
                if self._clear_up(invoice, older, task.as_of) is PaymentStatus.PAID:
                    break
            with unit_of_work(self._sessions) as session:
                invoice = invoices.get(session, effect.invoice, lock=True)
                if invoice.status != OPEN:
                    return _closed_fact(invoice, effect.attempt)
                attempt = self._begin(
                    session, invoice, effect.attempt, effect.payment_method_id, effect.trigger, task.as_of, sender
                )
            return self._finish(invoice, attempt, task.as_of, sender, look_first=True)

    @activity.defn
    def settle(self, task: tasks.SettleTask) -> PaymentFact:
        """Ask the gateway what became of an attempt; a webhook is only the hint to ask."""
        with translated():
            effect = task.effect
            with unit_of_work(self._sessions) as session:
                self._write(session, task.record, task.as_of)
                found = invoices.find(session, effect.invoice)
                if found is None:
                    return _nothing_owed(effect.invoice, effect.attempt, task.as_of)
                invoice = found
                attempt = payments.find(session, invoice.id, effect.attempt)
                sent = attempt is None and invoice.status == OPEN
                case = dunning.case_of(session, invoice, task.as_of) if sent else Case()
            if invoice.status != OPEN or attempt is None:
                return replace(_closed_fact(invoice, effect.attempt), policy=case.told)
            if attempt.status not in payments.LIVE:
                return self._told(invoice, attempt)
            answer = self._gateways[attempt.gateway].find_charge(attempt.key)
            return self._record(invoice, attempt, answer, task.as_of) if answer else self._unanswered(invoice, attempt)

    @activity.defn
    def close(self, task: tasks.CloseTask) -> PaymentFact:
        """Give an open invoice up, unless an attempt that was still alive turns out to have paid it."""
        with translated():
            effect = task.effect
            self._clear_all_up(task)
            with unit_of_work(self._sessions) as session:
                invoice = invoices.get(session, effect.invoice, lock=True)
                if invoice.status == OPEN:
                    invoices.give_up(session, invoice, effect.status, task.as_of)
                    invoice = replace(invoice, status=effect.status, closed_at=task.as_of)
            return _closed_fact(invoice, 0)

    @activity.defn
    def receive(self, task: tasks.ReceiveTask) -> PaymentFact:
        """Write a payment down that came past the gateways; an attempt that is still alive is withdrawn first.

        Should that attempt have paid, both have: the second payment is the customer's credit.
        """
        with translated():
            effect = task.effect
            self._clear_all_up(task)
            with unit_of_work(self._sessions) as session:
                invoice = invoices.get(session, effect.invoice, lock=True)
                payments.receive(session, invoice, effect.attempt, effect.reference, task.as_of)
                if invoice.status == OPEN:
                    invoice = replace(invoice, status=PAID, closed_at=task.as_of)
            return _closed_fact(invoice, effect.attempt)

    @activity.defn
    def credit(self, task: tasks.CreditTask) -> str | None:
        """Give money back; see `activities.credits`. Answers the credit note's number, for the history to keep."""
        with translated():
            with unit_of_work(self._sessions) as session:
                self._write(session, task.record, task.as_of)
                number, promised = promise(session, task.subject, task.effect, task.as_of)
            send(self._sessions, self._gateways, promised, task.as_of)
            return number

    # --- steps ---------------------------------------------------------------------------------------------------

    def _write(self, session: Session, record: tasks.Record | None, as_of: datetime) -> None:
        if record:
            records.write(session, record, as_of, activity.info().workflow_run_id or "")

    def _begin(
        self,
        session: Session,
        invoice: IssuedInvoice,
        n: int,
        method: str | None,
        trigger: Trigger,
        as_of: datetime,
        sender: str,
    ) -> Attempt:
        ways = self._ways(session, invoice, method) if method else ()
        primary = self._gateways.primary.name
        return payments.begin(
            session,
            invoice,
            n,
            method,
            primary,
            trigger.value,
            as_of,
            ways=ways,
            sender=sender,
            channels=lambda kind: dunning.case_of(session, invoice, as_of).channels(kind),
        )

    def _ways(self, session: Session, invoice: IssuedInvoice, method: str) -> tuple[Way, ...]:
        """Where a payment method can be charged, the best first. Nothing is to be chosen where there is one gateway."""
        if len(self._gateways) == 1:
            return ()
        return routing.ways(
            session, method, invoice.customer_id, invoice.currency, self._gateways.taking(invoice.currency)
        )

    def _finish(
        self, invoice: IssuedInvoice, attempt: Attempt, as_of: datetime, sender: str, *, look_first: bool
    ) -> PaymentFact:
        """Ask the gateway, unless the outcome is known. Before anything is sent again it is asked what happened.

        Another one is asked when this execution alone can have sent anything, and what it sent was certainly refused.
        """
        if attempt.status != payments.PENDING:
            return self._told(invoice, attempt)
        if attempt.sender != sender:
            with unit_of_work(self._sessions) as session:
                attempt = payments.hold(session, attempt)
            if attempt.status != payments.PENDING:
                return self._told(invoice, attempt)
        look_first = look_first or activity.info().attempt > 1
        refused: set[str] = set()
        while True:
            try:
                answer = self._gateways[attempt.gateway].find_charge(attempt.key) if look_first else None
                return self._record(invoice, attempt, answer or self._charge(invoice, attempt), as_of)
            except GatewayUnavailable:
                refused.add(attempt.gateway)
                elsewhere = self._move(invoice, attempt, refused) if attempt.sender == sender else None
                if elsewhere is None:
                    raise
                attempt = elsewhere

    def _move(self, invoice: IssuedInvoice, attempt: Attempt, refused: set[str]) -> Attempt | None:
        """The attempt at the next gateway, written down there before it is asked; None if it has to stay."""
        with unit_of_work(self._sessions) as session:
            ways = self._ways(session, invoice, attempt.payment_method_id) if attempt.payment_method_id else ()
            way = next((way for way in ways if way.gateway not in refused), None)
            return payments.move(session, attempt, way) if way else None

    def _charge(self, invoice: IssuedInvoice, attempt: Attempt) -> ChargeResult:
        assert attempt.token is not None, attempt.key
        request = ChargeRequest(
            key=attempt.key,
            amount=attempt.amount,
            currency=invoice.currency,
            token=attempt.token,
            customer_reference=invoice.customer_id,
            description=invoice.id,
        )
        try:
            return self._gateways[attempt.gateway].charge(request)
        except UnknownToken:
            # The gateway has forgotten the card: for the customer that is a card that has to be replaced.
            return ChargeResult(ChargeStatus.DECLINED, "", "invalid_payment_method")

    def _record(self, invoice: IssuedInvoice, attempt: Attempt, answer: ChargeResult, as_of: datetime) -> PaymentFact:
        with unit_of_work(self._sessions) as session:
            declined = answer.status is ChargeStatus.DECLINED
            backup = payments.backup_of(session, invoice.customer_id) if declined else None
            case = Case() if answer.status is ChargeStatus.SUCCEEDED else dunning.case_of(session, invoice, as_of)
            payments.finish(
                session,
                invoice,
                attempt,
                answer.status.value,
                as_of,
                decline_code=answer.decline_code,
                gateway_ref=answer.gateway_ref,
                action_url=answer.action_url,
                response_code=answer.response_code,
                advice_code=answer.advice_code,
                backup=backup,
                channels=case.channels,
            )
        return PaymentFact(
            invoice.key, _STATUS[answer.status], attempt.n, as_of, answer.decline_code, backup, case.told
        )

    def _clear_all_up(self, task: tasks.CloseTask | tasks.ReceiveTask) -> None:
        """Write the step down, and leave no attempt at the invoice alive."""
        with unit_of_work(self._sessions) as session:
            self._write(session, task.record, task.as_of)
            invoice = invoices.get(session, task.effect.invoice)
            alive = payments.live(session, invoice.id)
        for attempt in alive:
            self._clear_up(invoice, attempt, task.as_of)

    def _clear_up(self, invoice: IssuedInvoice, attempt: Attempt, as_of: datetime) -> PaymentStatus:
        """Make the outcome of an older attempt final: withdrawn at the gateway, unless it has gone through."""
        with unit_of_work(self._sessions) as session:
            attempt = payments.hold(session, attempt)
        answer = self._gateways[attempt.gateway].cancel_charge(attempt.key)
        if answer is not None and answer.status is ChargeStatus.PROCESSING:
            msg = f"{attempt.key} is still processing and cannot be withdrawn"
            raise GatewayOutcomeUnknown(msg)
        if answer is not None and answer.status is not ChargeStatus.CANCELED:
            return self._record(invoice, attempt, answer, as_of).status
        with unit_of_work(self._sessions) as session:
            payments.finish(session, invoice, attempt, payments.CANCELED, as_of)
        return PaymentStatus.OPEN

    def _told(self, invoice: IssuedInvoice, attempt: Attempt) -> PaymentFact:
        """What this attempt answered when it was made, whatever has become of its invoice since.

        So a workflow that is reset tells its story again step by step, declines and dunning included, instead of
        learning at the first attempt what only the last one brought.
        """
        if attempt.status == payments.SUCCEEDED:
            with unit_of_work(self._sessions) as session:
                return _closed_fact(invoices.get(session, invoice.key), attempt.n)
        declined = attempt.status == payments.DECLINED
        status = PaymentStatus.DECLINED if declined else PaymentStatus.ACTION_REQUIRED
        # Its first answer came when it was made; a withdrawal or the bank's last word came later.
        backup = attempt.backup_method_id
        with unit_of_work(self._sessions) as session:
            case = dunning.case_of(session, invoice, attempt.started_at)
        return PaymentFact(invoice.key, status, attempt.n, attempt.started_at, attempt.decline_code, backup, case.told)

    def _unanswered(self, invoice: IssuedInvoice, attempt: Attempt) -> PaymentFact:
        with unit_of_work(self._sessions) as session:
            case = dunning.case_of(session, invoice, attempt.started_at)
        return PaymentFact(invoice.key, PaymentStatus.ACTION_REQUIRED, attempt.n, attempt.started_at, policy=case.told)


_STATUS = {
    ChargeStatus.SUCCEEDED: PaymentStatus.PAID,
    ChargeStatus.DECLINED: PaymentStatus.DECLINED,
    ChargeStatus.REQUIRES_ACTION: PaymentStatus.ACTION_REQUIRED,
    ChargeStatus.PROCESSING: PaymentStatus.ACTION_REQUIRED,
    # Withdrawn by an older run of this workflow: no money moved, and the next attempt has a key of its own.
    ChargeStatus.CANCELED: PaymentStatus.DECLINED,
}


def _nothing_owed(key: str, attempt: int, at: datetime) -> PaymentFact:
    """A draft that came to nothing made no invoice: nobody used anything up to the end. So whoever asks after it hears
    that it is paid.
    """
    return PaymentFact(key, PaymentStatus.PAID, attempt, at)


def _closed_fact(invoice: IssuedInvoice, attempt: int) -> PaymentFact:
    statuses = {OPEN: PaymentStatus.OPEN, PAID: PaymentStatus.PAID}
    status = statuses.get(invoice.status, PaymentStatus.CLOSED)
    return PaymentFact(invoice.key, status, attempt, invoice.closed_at or invoice.issued_at)


def _issued_fact(invoice: IssuedInvoice, case: Case) -> PaymentFact:
    """What was true when it was issued, whatever has become of it since: a story is told again in its old order."""
    status = PaymentStatus.OPEN if invoice.amount_due else PaymentStatus.PAID
    return PaymentFact(invoice.key, status, 1, invoice.issued_at, policy=case.told)
