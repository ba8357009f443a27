"""A one-off invoice whose run is reset to any earlier event: the story is told again, and no money moves."""

import asyncio
from typing import Any

from perennial.domain import keys
from perennial.domain.drafts import CollectBy
from perennial.engine import invoices
from perennial.engine.context import Engine
from perennial.engine.invoices import Request
from tests.faults.test_reset import reset, resettable
from tests.replay.scene import one_off_invoice
from tests.support.stage import Stage


async def facts(stage: Stage, invoice: str) -> dict[str, Any]:
    key = f"%{keys.one_off_invoice(invoice)}%"
    return {
        "invoice": await stage.rows("SELECT * FROM invoices WHERE id = :id", id=invoice),
        "lines": await stage.rows("SELECT * FROM invoice_lines WHERE invoice_id = :id", id=invoice),
        "captures": await stage.captures(invoice),
        "attempts": await stage.rows("SELECT * FROM payment_attempts WHERE invoice_id = :id ORDER BY n", id=invoice),
        "postings": await stage.rows(
            "SELECT key, kind, at FROM ledger_transactions WHERE key LIKE :key ORDER BY id", key=key
        ),
        "messages": await stage.rows("SELECT key, occurred_at FROM outbox_messages WHERE key LIKE :key", key=key),
        "row": await stage.rows("SELECT status, state ->> 'status' FROM invoice_drafts WHERE id = :id", id=invoice),
    }


async def told_again(stage: Stage, invoice: str) -> None:
    """From every point of the first run; each new run ends as the first one did."""
    before = await facts(stage, invoice)
    for run, event in await resettable(stage, invoice):
        again = await reset(stage.engine, invoice, run, event)
        handle = stage.engine.temporal.get_workflow_handle(invoice, run_id=again)
        await asyncio.wait_for(handle.result(), 30)
        assert await facts(stage, invoice) == before, event


async def test_declined_and_paid_with_another_card(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-01-15 10:00")
    customer = await stage.customer("pm_card_chargeDeclined")
    invoice = await one_off_invoice(stage, clock, customer, collect=CollectBy.CHARGE)
    card = await stage.card(customer, "pm_card_visa")
    assert await invoices.pay(engine, invoice, Request(id="req_reset"), card)
    await stage.handle(invoice).result()
    await told_again(stage, invoice)


async def test_sent_and_written_off(engine: Engine) -> None:
    stage = Stage(engine)
    clock = await stage.clock("2026-01-15 10:00")
    customer = await stage.customer(card=None)
    invoice = await one_off_invoice(stage, clock, customer, collect=CollectBy.SEND, net_days=14)
    assert await invoices.give_up(engine, invoice, Request(id="req_reset"), write_off=True)
    await stage.handle(invoice).result()
    await told_again(stage, invoice)
