"""One-off invoices on test clocks: sent and overdue, charged through a silent gateway, lost runs, many at once."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from perennial.domain import keys
from perennial.domain.calendar import Period
from perennial.domain.drafts import CollectBy, DraftLine
from perennial.domain.errors import InvoiceNotOpen
from perennial.domain.one_off import InvoicePaid, OneOffState
from perennial.engine import credit_notes, customers, drafts, invoices, one_off, webhooks
from perennial.engine.credit_notes import CreditReason, NewCreditNote
from perennial.engine.drafts import NewDraft
from perennial.engine.invoices import Request
from perennial.gateways.simulator import faults as simulator
from perennial.gateways.simulator import signatures
from perennial.gateways.simulator.gateway import SimulatorGateway
from tests.support.stage import Stage, at, eventually

WORKSHOP = DraftLine(description="Workshop with Zebulon Canary", amount=30_000)


async def issued(stage: Stage, clock: str | None, customer: str, *lines: DraftLine, **more: Any) -> str:
    new = NewDraft(customer_id=customer, currency="USD", lines=lines or (WORKSHOP,), test_clock_id=clock, **more)
    made = await drafts.create(stage.engine, new)
    assert await one_off.finalise(stage.engine, made.id)
    return made.id


async def sent(stage: Stage, clock: str, customer: str | None = None, net_days: int = 14) -> str:
    customer = customer or await stage.customer(card=None)
    return await issued(stage, clock, customer, collect=CollectBy.SEND, net_days=net_days)


async def status(stage: Stage, invoice: str) -> str:
    return (await invoices.get(stage.engine, invoice)).status


async def told(stage: Stage, customer: str) -> list[str]:
    rows = await stage.rows("SELECT kind FROM outbox_messages WHERE customer_id = :id ORDER BY id", id=customer)
    return [kind for (kind,) in rows]


async def state(stage: Stage, invoice: str) -> OneOffState:
    found: OneOffState = await stage.handle(invoice).query("state", result_type=OneOffState)
    return found


def request(name: str) -> Request:
    return Request(id=f"req_{name}")


async def with_faults(stage: Stage, faults: simulator.SimulatorFaults) -> None:
    """From now on: the gateway looks for them every quarter of a second."""
    simulator.set_faults(stage.engine.db, faults)
    await asyncio.sleep(0.3)


async def test_a_sent_invoice_is_overdue_when_its_time_is_over(stage: Stage) -> None:
    """Fourteen days by the customer's calendar: Berlin goes to summer time on the way, so noon stays noon."""
    clock = await stage.clock("2026-03-20 11:00")
    customer = await stage.customer(card=None, timezone="Europe/Berlin")
    invoice = await sent(stage, clock, customer)
    row = await invoices.get(stage.engine, invoice)
    assert (row.status, row.issued_at, row.due_at) == ("open", at("2026-03-20 11:00"), at("2026-04-03 10:00"))
    assert await told(stage, customer) == ["invoice_issued"]
    await stage.advance(clock, "2026-04-03 09:59")
    assert await told(stage, customer) == ["invoice_issued"]
    await stage.advance(clock, "2026-04-10 09:00")
    assert (await told(stage, customer))[1:] == ["payment_overdue"]
    assert (await state(stage, invoice)).overdue
    assert await stage.timeline(invoice) == ["invoice_finalised", "payment_overdue"]

    assert await invoices.record_payment(stage.engine, invoice, "BANK 1", request("paid"))

    row = await invoices.get(stage.engine, invoice)
    assert (row.status, row.closed_at) == ("paid", at("2026-04-10 09:00"))
    assert await stage.books(invoice) == {"receivable": 0, "revenue": -30_000, "cash:outside": 30_000}
    assert (await told(stage, customer))[2:] == ["receipt"]
    await stage.handle(invoice).result()
    await stage.advance(clock, "2026-06-01 10:00")


async def test_service_that_lies_ahead_is_deferred(stage: Stage) -> None:
    clock = await stage.clock("2026-03-20 11:00")
    year = DraftLine(
        description="Support", amount=12_000, period=Period(at("2026-04-01 00:00"), at("2027-04-01 00:00"))
    )
    invoice = await issued(stage, clock, await stage.customer(), WORKSHOP, year)
    row = await invoices.get(stage.engine, invoice)
    assert (row.period_start, row.period_end) == (at("2026-03-20 11:00"), at("2027-04-01 00:00"))
    books = await stage.books(invoice)
    assert (books["revenue"], books["deferred_revenue"], books["cash:simulator"]) == (-30_000, -12_000, 42_000)


async def test_a_charge_that_needs_the_customer_is_paid_by_the_banks_word(stage: Stage) -> None:
    clock = await stage.clock("2026-03-20 11:00")
    invoice = await issued(stage, clock, await stage.customer("pm_card_authenticationRequired"))
    assert await status(stage, invoice) == "open"
    key = keys.one_off_invoice(invoice)
    [(reference,)] = await stage.rows(
        "SELECT gateway_ref FROM payment_attempts WHERE key = :key", key=keys.charge(key, 1)
    )
    gateway = stage.engine.gateway
    assert isinstance(gateway, SimulatorGateway)
    await asyncio.to_thread(gateway.authenticate, reference, success=True)
    event: dict[str, Any] = {"id": f"evt_{invoice}", "kind": "payment_succeeded", "charge_key": keys.charge(key, 1)}
    event |= {"gateway_ref": reference, "status": "succeeded", "decline_code": None}
    body = json.dumps(event | {"amount": 30_000, "currency": "USD"}).encode()
    signed = signatures.sign(stage.engine.settings.webhook_secret, body, datetime.now(UTC))
    assert await webhooks.receive(stage.engine, "simulator", body, {signatures.HEADER: signed})
    await stage.handle(invoice).result()
    assert await status(stage, invoice) == "paid"


async def test_lost_answers_of_charge_and_refund_are_found_again(stage: Stage) -> None:
    clock = await stage.clock("2026-03-20 11:00")
    customer = await stage.customer("pm_card_captures_then_times_out")
    invoice = await issued(stage, clock, customer)
    await eventually(lambda: _is(stage, invoice, "paid"))
    before = simulator.injected(stage.engine.db).get("lose_answer_every", 0)
    await with_faults(stage, simulator.SimulatorFaults(lose_answer_every=2))
    try:
        notes = [
            await credit_notes.issue(
                stage.engine, NewCreditNote(invoice_id=invoice, amount=amount), request(f"{invoice}{amount}")
            )
            for amount in (10_000, 5_000)
        ]
    finally:
        simulator.set_faults(stage.engine.db, simulator.NO_FAULTS)
    for note in notes:
        assert note is not None
        await stage.handle(note).result()
    assert simulator.injected(stage.engine.db)["lose_answer_every"] > before
    [capture] = await stage.captures(invoice)
    assert (capture.amount, capture.refunded) == (30_000, 15_000)
    assert (await told(stage, customer)).count("refund_sent") == 2
    books = await stage.books(invoice)
    assert (books["refunds_payable"], books["cash:simulator"]) == (0, 15_000)


async def _is(stage: Stage, invoice: str, wanted: str) -> bool:
    return await status(stage, invoice) == wanted


async def test_a_lost_run_is_started_again_by_whoever_needs_it(stage: Stage) -> None:
    """By a moving clock, and by a command; what was done before is found under its key."""
    clock = await stage.clock("2026-03-20 11:00")
    invoice = await sent(stage, clock)
    await stage.handle(invoice).terminate()
    await stage.advance(clock, "2026-04-10 11:00")
    assert (await state(stage, invoice)).overdue
    await stage.handle(invoice).terminate()
    assert await invoices.give_up(stage.engine, invoice, request("lost"), write_off=True)
    assert await status(stage, invoice) == "uncollectible"
    assert await stage.books(invoice) == {"receivable": 0, "revenue": -30_000, "bad_debt": 30_000}
    [(count,)] = await stage.rows("SELECT count(*) FROM invoices WHERE id = :id", id=invoice)
    assert count == 1


async def test_a_credit_note_whose_run_was_lost_is_sent_after_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document is there and its refund waits: a new run finds it under its key."""
    monkeypatch.setattr(credit_notes, "ANSWER_TIMEOUT_SECONDS", 0.2)
    clock = await stage.clock("2026-03-20 11:00")
    invoice = await issued(stage, clock, await stage.customer())
    await with_faults(stage, simulator.SimulatorFaults(error_every=1))
    try:
        asked = NewCreditNote(invoice_id=invoice, amount=700)
        await credit_notes.issue(stage.engine, asked, request(f"lost{invoice}"))
        note = keys.document_id("cn", keys.credit(invoice, f"req_lost{invoice}"))
        await eventually(
            lambda: stage.rows("SELECT 1 FROM refunds WHERE credit_note_id = :id AND status = 'pending'", id=note)
        )
        await stage.handle(note).terminate()
    finally:
        simulator.set_faults(stage.engine.db, simulator.NO_FAULTS)
    assert await credit_notes.repair(stage.engine, note)
    await stage.handle(note).result()
    [capture] = await stage.captures(invoice)
    assert capture.refunded == 700
    assert not await credit_notes.repair(stage.engine, note)


async def test_of_a_payment_and_a_void_at_once_one_happens(stage: Stage) -> None:
    clock = await stage.clock("2026-03-20 11:00")
    invoice = await issued(stage, clock, await stage.customer("pm_card_chargeDeclined"))
    card = await stage.card((await invoices.get(stage.engine, invoice)).customer_id, "pm_card_visa")
    outcomes = await asyncio.gather(
        invoices.pay(stage.engine, invoice, request("pay"), card),
        invoices.give_up(stage.engine, invoice, request("void"), write_off=False),
        return_exceptions=True,
    )
    captures = await stage.captures(invoice)
    if await status(stage, invoice) == "paid":
        assert len(captures) == 1
        assert getattr(outcomes[1], "code", "") == InvoicePaid.code
    else:
        assert captures == []
        assert getattr(outcomes[0], "code", "") == InvoiceNotOpen.code


async def test_fifty_finalised_at_once_have_fifty_numbers_without_a_gap(stage: Stage) -> None:
    customer = await stage.customer(card=None)
    clock = await stage.clock("2026-03-20 11:00")
    new = NewDraft(customer_id=customer, currency="USD", lines=(WORKSHOP,), collect=CollectBy.SEND, test_clock_id=clock)
    made = [(await drafts.create(stage.engine, new)).id for _ in range(50)]
    await asyncio.gather(*(one_off.finalise(stage.engine, each) for each in made))

    async def issued() -> list[str]:
        rows = await stage.rows("SELECT number FROM invoices WHERE customer_id = :id ORDER BY number", id=customer)
        return [number for (number,) in rows] if len(rows) == len(made) else []

    numbers = [int(number.removeprefix("INV-")) for number in await eventually(issued)]
    assert numbers == list(range(numbers[0], numbers[0] + 50))


async def test_an_issued_invoice_is_final_in_the_database(stage: Stage) -> None:
    clock = await stage.clock("2026-03-20 11:00")
    invoice = await sent(stage, clock)
    for statement in (
        "UPDATE invoices SET total = 1, net = 1, amount_due = 1 WHERE id = :id",
        "UPDATE invoices SET memo = 'x' WHERE id = :id",
        "DELETE FROM invoices WHERE id = :id",
        "UPDATE invoice_lines SET description = 'x' WHERE invoice_id = :id",
        "DELETE FROM invoice_lines WHERE invoice_id = :id",
    ):
        with pytest.raises(IntegrityError):
            await stage.execute(statement, id=invoice)
    assert await invoices.give_up(stage.engine, invoice, request("final"), write_off=False)
    with pytest.raises(IntegrityError, match="is final"):
        await stage.execute("UPDATE invoices SET status = 'open', closed_at = NULL WHERE id = :id", id=invoice)
    assert await stage.books(invoice) == {"receivable": 0, "revenue": 0}


async def test_words_of_people_stay_out_of_workflows(stage: Stage) -> None:
    """The line and both memos are on the documents, and in no payload."""
    customer = (await customers.create(stage.engine, name="Zebulon Canary", email="z@canary.example")).id
    await customers.attach_payment_method(stage.engine, customer, "pm_card_visa:canary")
    clock = await stage.clock("2026-03-20 11:00")
    invoice = await issued(stage, clock, customer, memo="Dear Zebulon Canary")
    new = NewCreditNote(invoice_id=invoice, amount=500, reason=CreditReason.GOODWILL, memo="Sorry, Zebulon Canary!")
    note = await credit_notes.issue(stage.engine, new, request(f"sorry{invoice}"))
    assert note is not None
    assert (await invoices.get(stage.engine, invoice)).memo == "Dear Zebulon Canary"
    [(memo, issued_at)] = await stage.rows("SELECT memo, issued_at FROM credit_notes WHERE id = :id", id=note)
    assert (memo, issued_at) == ("Sorry, Zebulon Canary!", at("2026-03-20 11:00"))
    for workflow, known in ((invoice, customer), (note, customer)):
        history = await stage.handle(workflow).fetch_history()
        stored = b"".join(event.SerializeToString() for event in history.events)
        assert known.encode() in stored
        assert b"canary" not in stored.lower()
