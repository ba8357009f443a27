"""Lives with invoices that are sent, add-ons and usage."""

from uuid import uuid4

from perennial.contracts.workflows import BOOKKEEPING
from perennial.domain.catalog import AddOn
from perennial.domain.subscription.commands import When
from tests.replay.scene import Takes
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
    await stage.send(sub, "give_up_invoice", invoice=await newest(), write_off=True)
    await stage.send(sub, "cancel", when=When.NOW)
    return {"": stage.handle(sub)}


async def bookkeeping(stage: Stage) -> Takes:
    """A day of bookkeeping."""
    engine = stage.engine
    handle = await engine.temporal.start_workflow(
        BOOKKEEPING, id=f"bookkeeping-{uuid4().hex}", task_queue=engine.settings.task_queue
    )
    await handle.result()
    return {"": handle}


async def usage_to_the_end(stage: Stage) -> Takes:
    """What is measured is billed in arrears, also with a change of plan and at the end."""
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock, "api-monthly")
    await stage.use(sub, "api_call", at("2026-01-20 10:00"), 1500)
    await stage.advance(clock, "2026-02-20 10:00")
    await stage.use(sub, "api_call", at("2026-02-18 10:00"), 2500)
    await stage.send(sub, "change_plan", plan="standard-monthly")
    await stage.advance(clock, "2026-03-20 10:00")
    await stage.send(sub, "change_plan", plan="api-monthly", when=When.PERIOD_END)
    await stage.advance(clock, "2026-04-20 10:00")
    await stage.use(sub, "api_call", at("2026-04-18 10:00"), 3500)
    await stage.send(sub, "cancel", when=When.NOW)
    return {"": stage.handle(sub)}
