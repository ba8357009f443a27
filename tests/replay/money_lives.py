"""Lives with invoices that are sent, add-ons, usage and one-off invoices."""

from dataclasses import replace
from uuid import uuid4

from perennial.contracts.reconciliation import RECONCILIATION, Place, Tour
from perennial.contracts.workflows import BOOKKEEPING
from perennial.domain import keys
from perennial.domain.catalog import AddOn
from perennial.domain.disputes import DisputeStatus
from perennial.domain.drafts import CollectBy
from perennial.domain.dunning import DEFAULT_POLICY
from perennial.domain.subscription.commands import When
from perennial.engine import credit_notes, invoices
from perennial.engine.credit_notes import NewCreditNote
from perennial.engine.invoices import Request
from tests.replay.scene import Takes, authenticate, one_off_invoice
from tests.support.stage import Stage, at


async def net_terms(stage: Stage) -> Takes:
    """Invoices are sent: paid by transfer, overdue and paid, written off; add-ons come and go, one is credited."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card=None, net_days=14, quantity=4)

    async def newest() -> str:
        return (await stage.bills(sub))[-1].key

    await stage.advance(clock, "2026-01-20 10:00")
    await stage.send(sub, "record_payment", invoice=await newest(), reference="BANK 1")
    await stage.send(sub, "change_addons", addons=(AddOn("priority-support", 1), AddOn("storage", 2)))
    await stage.advance(clock, "2026-02-05 10:00")
    await stage.send(sub, "record_payment", invoice=await newest(), reference="BANK 2")
    await stage.send(sub, "change_addons", addons=(AddOn("storage", 1),))
    await stage.advance(clock, "2026-03-05 10:00")
    await stage.send(sub, "record_payment", invoice=await newest(), reference="BANK 3")
    await stage.send(sub, "credit_invoice", invoice=await newest(), amount=500, reason="goodwill")
    await stage.advance(clock, "2026-04-01 10:00")
    await stage.send(sub, "set_dunning", policy=replace(DEFAULT_POLICY, prefer_paydays=True))
    await stage.send(sub, "give_up_invoice", invoice=await newest(), write_off=True)
    await stage.send(sub, "cancel", when=When.NOW)
    return {"": stage.handle(sub)}


async def disputed(stage: Stage) -> Takes:
    """Frozen, won, and frozen again; in the end lost."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock)
    invoice = (await stage.bills(sub))[0].key
    await stage.advance(clock, "2026-01-20 10:00")
    await stage.send(sub, "dispute_event", invoice=invoice, dispute="dp_1", status=DisputeStatus.OPEN)
    await stage.advance(clock, "2026-03-01 10:00")
    await stage.signal(
        sub, "dispute_event", at("2026-03-01 10:00"), invoice=invoice, dispute="dp_1", status=DisputeStatus.WON
    )
    await stage.advance(clock, "2026-04-10 10:00")
    await stage.send(sub, "dispute_event", invoice=invoice, dispute="dp_2", status=DisputeStatus.OPEN)
    await stage.send(sub, "dispute_event", invoice=invoice, dispute="dp_2", status=DisputeStatus.LOST)
    await stage.advance(clock, "2026-05-10 10:00")
    return {"": stage.handle(sub)}


async def bookkeeping(stage: Stage) -> Takes:
    """A day of bookkeeping."""
    engine = stage.engine
    handle = await engine.temporal.start_workflow(
        BOOKKEEPING, id=f"bookkeeping-{uuid4().hex}", task_queue=engine.settings.task_queue
    )
    await handle.result()
    return {"": handle}


async def reconciliation(stage: Stage) -> Takes:
    """A tour of the gateways."""
    engine = stage.engine
    handle = await engine.temporal.start_workflow(
        RECONCILIATION,
        Place(Tour.GATEWAYS),
        id=f"reconciliation-{uuid4().hex}",
        task_queue=engine.settings.task_queue,
    )
    await handle.result()
    return {"": handle}


async def one_off_paid(stage: Stage) -> Takes:
    """Declined, tried with another card, paid by the bank's word; then credited by a workflow of its own."""
    clock = await stage.clock("2026-01-15 10:00")
    customer = await stage.customer("pm_card_chargeDeclined")
    invoice = await one_off_invoice(stage, clock, customer, collect=CollectBy.CHARGE)
    card = await stage.card(customer, "pm_card_authenticationRequired")
    await invoices.pay(stage.engine, invoice, Request(id="pay_again"), card)
    await authenticate(stage, invoice)
    key = keys.one_off_invoice(invoice)
    await stage.signal(invoice, "payment_event", at("2026-01-15 10:00"), invoice=key, attempt=2)
    await stage.handle(invoice).result()
    note = await credit_notes.issue(
        stage.engine, NewCreditNote(invoice_id=invoice, amount=500), Request(id=f"credit_{invoice}")
    )
    return {"": stage.handle(invoice), "credited": stage.handle(note or "")}


async def one_off_sent(stage: Stage) -> Takes:
    """Overdue, then paid past the gateways; another is written off."""
    clock = await stage.clock("2026-01-15 10:00")
    customer = await stage.customer(card=None)
    paid = await one_off_invoice(stage, clock, customer, collect=CollectBy.SEND, net_days=14)
    lost = await one_off_invoice(stage, clock, customer, collect=CollectBy.SEND, net_days=14)
    await stage.advance(clock, "2026-02-15 10:00")
    await invoices.record_payment(stage.engine, paid, "BANK 9", Request(id="paid"))
    await invoices.give_up(stage.engine, lost, Request(id="lost"), write_off=True)
    return {"": stage.handle(paid), "written-off": stage.handle(lost)}


async def usage_to_the_end(stage: Stage) -> Takes:
    """What is measured is billed in arrears, also with a change of plan and at the end."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "api-monthly")
    await stage.advance(clock, "2026-01-21 10:00")
    await stage.use(sub, "api_call", at("2026-01-20 10:00"), 15_000)
    await stage.advance(clock, "2026-02-20 10:00")
    await stage.use(sub, "api_call", at("2026-02-18 10:00"), 25_000)
    await stage.send(sub, "change_plan", plan="standard-monthly")
    await stage.advance(clock, "2026-03-20 10:00")
    await stage.send(sub, "change_plan", plan="api-monthly", when=When.PERIOD_END)
    await stage.advance(clock, "2026-04-20 10:00")
    await stage.use(sub, "api_call", at("2026-04-18 10:00"), 35_000)
    await stage.send(sub, "cancel", when=When.NOW)
    return {"": stage.handle(sub)}
