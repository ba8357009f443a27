"""One credit note for an invoice that no workflow looks after any more: a one-off invoice's, or a gift's."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perennial.contracts.workflows import CREDIT_NOTE, CreditNoteInput
    from perennial.domain import keys
    from workflows.effects import perform_for
    from workflows.endurance import endure
    from workflows.signboard import board, page_of


@workflow.defn(name=CREDIT_NOTE)
class CreditNoteWorkflow:
    """Its id is that of the credit note. Ends when its refunds have been answered; run again it finds them done."""

    @workflow.run
    async def run(self, start: CreditNoteInput) -> None:
        note = keys.document_id("cn", start.credit.key)
        workflow.set_current_details(board(f"credit note: {start.credit.reason}", [page_of("others", note)]))
        await endure(perform_for(start.subject, start.credit, start.as_of, None))
