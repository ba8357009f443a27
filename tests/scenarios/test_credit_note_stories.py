"""Credit notes of subscriptions, through the one writer: while they run, and after their end."""

from temporalio.client import WorkflowExecutionStatus

from perennial.domain.subscription.commands import RefundPolicy, When
from perennial.domain.subscription.effects import CreditedPart
from perennial.engine import credit_notes, invoices
from perennial.engine.credit_notes import NewCreditNote
from perennial.engine.invoices import Request
from tests.support.stage import Stage


async def bill_ids(stage: Stage, sub: str) -> list[str]:
    rows = await stage.rows("SELECT id FROM invoices WHERE subscription_id = :id ORDER BY issued_at, number", id=sub)
    return [invoice for (invoice,) in rows]


async def credited(stage: Stage, sub: str) -> list[tuple[int, int, int]]:
    rows = await stage.rows(
        "SELECT total, refunded, credited FROM credit_notes WHERE subscription_id = :id ORDER BY issued_at, number",
        id=sub,
    )
    return [tuple(row) for row in rows]


async def test_what_was_credited_of_the_running_period_is_not_given_back_again(stage: Stage) -> None:
    """6.00 of 9.00 by hand, half a period later the rest of what is left: 3.00, not the unused 4.50."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock)
    [bill] = await bill_ids(stage, sub)
    new = NewCreditNote(invoice_id=bill, lines=(CreditedPart(0, 600),))
    assert await credit_notes.issue(stage.engine, new, Request(id=f"req_{bill}"))
    await stage.advance(clock, "2026-02-15 00:00")
    await stage.send(sub, "cancel", when=When.NOW, refund=RefundPolicy.PRORATED)
    assert await credited(stage, sub) == [(600, 600, 0), (300, 300, 0)]
    [capture] = await stage.captures(sub)
    assert (capture.amount, capture.refunded) == (900, 900)
    assert (await stage.messages(sub)).count("refund_sent") == 2


async def test_an_older_invoice_and_fees_leave_the_running_period_alone(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-03-01 00:00")
    first, second = await bill_ids(stage, sub)
    before = (await stage.state(sub)).period_billed
    assert await credit_notes.issue(stage.engine, NewCreditNote(invoice_id=first), Request(id=f"req_{first}"))
    assert (await stage.state(sub)).period_billed == before
    new = NewCreditNote(invoice_id=second, amount=100, refund=False)
    assert await credit_notes.issue(stage.engine, new, Request(id=f"req_{second}"))
    assert (await stage.state(sub)).period_billed == before - 100
    assert await stage.credit(sub) == 100


async def test_an_ended_subscription_is_credited_and_its_run_ends_again(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock)
    await stage.send(sub, "cancel", when=When.NOW)
    await stage.handle(sub).result()
    [bill] = await bill_ids(stage, sub)
    asked = NewCreditNote(invoice_id=bill, amount=400)
    note = await credit_notes.issue(stage.engine, asked, Request(id=f"req_{bill}"))
    assert note == await credit_notes.issue(stage.engine, asked, Request(id=f"req_{bill}"))
    await stage.handle(sub).result()
    described = await stage.handle(sub).describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED
    assert await credited(stage, sub) == [(400, 400, 0)]
    assert (await invoices.get(stage.engine, bill)).status == "paid"
