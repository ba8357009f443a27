"""Issuing one-off invoices and writing down their steps. Their money is moved by `activities.billing`."""

from temporalio import activity

from activities.errors import translated
from perennial.contracts.activities import OneOffRecordTask, Subject
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.repositories import drafts, invoices
from perennial.domain.subscription.effects import PaymentFact, PaymentStatus
from perennial.ports import TaxCalculator


class OneOffActivities:
    """What stands on the invoice is read from its row: it never travels through Temporal."""

    def __init__(self, sessions: Sessions, taxes: TaxCalculator) -> None:
        self._sessions = sessions
        self._taxes = taxes

    @activity.defn(name="issue_one_off")
    def issue(self, task: OneOffRecordTask) -> PaymentFact:
        """The invoice with its number, once, together with the step. Answers what was true when it was issued."""
        state = task.record.state
        with translated(), unit_of_work(self._sessions) as session:
            row = drafts.write(session, task.record, task.as_of, activity.info().workflow_run_id or "")
            invoice = invoices.find(session, state.invoice)
            if invoice is None:
                draft = drafts.draft_of(row, task.as_of)
                invoice = invoices.issue(session, Subject(state.customer_id), draft, task.as_of, self._taxes)
            assert invoice is not None, "a draft without lines is not finalised"
            status = PaymentStatus.OPEN if invoice.amount_due else PaymentStatus.PAID
            return PaymentFact(state.invoice, status, 0, invoice.issued_at, paper=invoice.paper)

    @activity.defn(name="record_one_off")
    def record(self, task: OneOffRecordTask) -> None:
        """Its row, timeline and messages, in one transaction."""
        with translated(), unit_of_work(self._sessions) as session:
            drafts.write(session, task.record, task.as_of, activity.info().workflow_run_id or "")
