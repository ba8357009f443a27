"""Disputed charges through the whole stack: the bank's word comes by webhook, the subscription and the books follow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import DisputePolicy, RefundPolicy
from perennial.domain.disputes import ChargeDisputed, DisputeStatus, SubscriptionDisputed
from perennial.domain.drafts import DraftLine
from perennial.domain.errors import CommandRefused
from perennial.domain.subscription.commands import When
from perennial.engine import credit_notes, disputes, drafts, gifts, one_off, webhooks
from perennial.engine.context import Engine
from perennial.engine.credit_notes import NewCreditNote
from perennial.engine.drafts import NewDraft
from perennial.engine.gifts import NewGift
from perennial.engine.invoices import Request
from perennial.engine.timeline import timeline
from perennial.gateways.simulator.dispatcher import WebhookDispatcher
from tests.support.stage import Stage, eventually

MONTH = Interval(IntervalUnit.MONTH)
OPEN, WON, LOST = DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST
Bank = Callable[[str, DisputeStatus | None], Awaitable[None]]


@pytest.fixture
async def bank(stage: Stage) -> AsyncIterator[Bank]:
    """Says something about a charge, or only delivers what is due; each webhook comes twice."""
    engine: Engine = stage.engine
    dispatcher = WebhookDispatcher(engine.db, url="http://localhost/", secret=engine.settings.webhook_secret)
    sent: list[httpx.Request] = []
    dispatcher._client.close()
    dispatcher._client = httpx.Client(transport=httpx.MockTransport(lambda r: sent.append(r) or httpx.Response(204)))

    async def say(payment: str, status: DisputeStatus | None) -> None:
        if status:
            await disputes.simulate(engine, payment, status)
        while await asyncio.to_thread(dispatcher.run_once):
            pass  # what other stories have left over comes along
        while sent:
            request = sent.pop(0)
            for _ in range(2):
                await webhooks.receive(engine, "simulator", request.content, request.headers)

    yield say
    dispatcher.close()


async def payment(stage: Stage, sub: str) -> str:
    rows = await stage.rows(
        "SELECT a.id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id "
        "WHERE i.subscription_id = :id AND a.status = 'succeeded' ORDER BY a.started_at DESC LIMIT 1",
        id=sub,
    )
    return str(rows[0].id)


async def invoice(stage: Stage, sub: str) -> str:
    rows = await stage.rows("SELECT invoice_id FROM payment_attempts WHERE id = :id", id=await payment(stage, sub))
    return str(rows[0].invoice_id)


async def heard(stage: Stage, sub: str, note: str) -> None:
    """The subscription's own timeline has it."""

    async def is_so() -> bool:
        return note in await stage.timeline(sub)

    await eventually(is_so)


async def becomes(stage: Stage, sub: str, status: str) -> None:
    async def is_so() -> bool:
        row = await stage.rows("SELECT status FROM subscriptions WHERE id = :id", id=sub)
        return row[0].status == status

    await eventually(is_so)


async def subscribed(stage: Stage, clock: str, on_dispute: DisputePolicy, **more: object) -> str:
    code = await stage.plan(
        "disputed",
        interval=MONTH,
        prices={"USD": {"type": "flat", "amount": "10.00"}},
        on_dispute=on_dispute,
        **more,
    )
    return await stage.subscribe(clock, code)


async def books(stage: Stage, sub: str) -> dict[str, int]:
    sums = await stage.books(sub)
    return {account: amount for account, amount in sums.items() if amount and account != "deferred_revenue"}


@pytest.mark.parametrize(
    ("policy", "decided", "opened", "closed", "bills"),
    [
        (DisputePolicy.FREEZE, WON, "paused", "active", 2),
        (DisputePolicy.FREEZE, LOST, "paused", "canceled", 1),
        (DisputePolicy.CANCEL, WON, "canceled", "canceled", 1),
        (DisputePolicy.CANCEL, LOST, "canceled", "canceled", 1),
        (DisputePolicy.KEEP, WON, "active", "active", 3),
        (DisputePolicy.KEEP, LOST, "active", "active", 3),
    ],
)
async def test_each_policy_and_what_the_bank_decides(
    stage: Stage, bank: Bank, policy: DisputePolicy, decided: DisputeStatus, opened: str, closed: str, bills: int
) -> None:
    """Disputed on the 11th of February, decided 50 days later; frozen, the next period begins 50 days later too."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await subscribed(stage, clock, policy)
    disputed = await payment(stage, sub)
    await stage.advance(clock, "2026-02-11 00:00")
    await bank(disputed, OPEN)
    await becomes(stage, sub, opened)
    assert (await books(stage, sub))["disputed:simulator"] == 1000
    await stage.advance(clock, "2026-04-02 00:00")
    await bank(disputed, decided)
    await becomes(stage, sub, closed)
    await stage.advance(clock, "2026-04-25 00:00")

    assert len(await stage.bills(sub)) == bills
    sums = await books(stage, sub)
    assert "disputed:simulator" not in sums
    assert sums.get("dispute_losses", 0) == (1000 if decided is LOST else 0)
    await stage.once_each(sub)


async def test_won_is_heard_before_opened(stage: Stage, bank: Bank) -> None:
    """Both webhooks are under way when the clock stands still; the later one overtakes."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await subscribed(stage, clock, DisputePolicy.CANCEL)
    disputed = await payment(stage, sub)
    await disputes.simulate(stage.engine, disputed, OPEN)
    await stage.execute(
        "UPDATE simulator.events SET deliver_at = now() + interval '1 hour' WHERE kind = 'dispute_opened' "
        "AND charge_key = (SELECT key FROM payment_attempts WHERE id = :id)",
        id=disputed,
    )
    await bank(disputed, WON)
    await heard(stage, sub, "dispute_won")
    await stage.execute(
        "UPDATE simulator.events SET deliver_at = now() WHERE kind = 'dispute_opened' "
        "AND charge_key = (SELECT key FROM payment_attempts WHERE id = :id)",
        id=disputed,
    )
    await bank(disputed, None)
    rows = await stage.rows("SELECT status FROM disputes WHERE attempt_id = :id", id=disputed)
    assert [row.status for row in rows] == ["won"]
    await stage.advance(clock, "2026-03-02 00:00")
    assert ((await stage.view(sub)).status, "dispute_opened" in await stage.timeline(sub)) == ("active", False)
    sums = await books(stage, sub)
    assert (sums["cash:simulator"], "disputed:simulator" in sums) == (2000, False)
    await stage.once_each(sub)


async def test_nothing_of_a_disputed_charge_is_refunded(stage: Stage, bank: Bank) -> None:
    """Not while it is open, by no way, nor when it is lost; and not more than once when it is won."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await subscribed(stage, clock, DisputePolicy.FREEZE, cancel_refund=RefundPolicy.FULL)
    disputed, document = await payment(stage, sub), await invoice(stage, sub)
    await bank(disputed, OPEN)
    await becomes(stage, sub, "paused")
    for refund in (True, False):
        with pytest.raises(ChargeDisputed):
            await credit_notes.preview(stage.engine, NewCreditNote(invoice_id=document, refund=refund))
    with pytest.raises(CommandRefused) as refused:
        await stage.send(sub, "resume")
    assert refused.value.code == "subscription_disputed"
    await stage.send(sub, "cancel", when=When.NOW)
    with pytest.raises(SubscriptionDisputed):
        await stage.send(sub, "reactivate")
    await bank(disputed, LOST)
    with pytest.raises(ChargeDisputed):
        await credit_notes.issue(stage.engine, NewCreditNote(invoice_id=document), Request(id=f"r-{document}"))
    (capture,) = await stage.captures(sub)
    assert (capture.refunded, capture.disputed) == (0, capture.amount)
    assert await stage.rows("SELECT 1 FROM credit_notes WHERE invoice_id = :id", id=document) == []
    await stage.send(sub, "reactivate")
    await becomes(stage, sub, "active")
    await stage.once_each(sub)


async def test_credit_out_of_the_charge_is_taken_back_when_it_is_lost(stage: Stage, bank: Bank) -> None:
    """3.00 went to the balance, then the bank gives the customer all 10.00: 2.00 of the credit are left to take."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await subscribed(stage, clock, DisputePolicy.KEEP)
    disputed, document = await payment(stage, sub), await invoice(stage, sub)
    new = NewCreditNote(invoice_id=document, amount=300, refund=False)
    await credit_notes.issue(stage.engine, new, Request(id=f"r-{document}"))
    new_draft = NewDraft(
        customer_id=stage.owners[sub],
        currency="USD",
        lines=(DraftLine(description="Stickers", amount=100),),
        test_clock_id=clock,
    )
    await one_off.finalise(stage.engine, (await drafts.create(stage.engine, new_draft)).id)
    await bank(disputed, OPEN)
    await bank(disputed, LOST)
    assert await stage.credit(sub) == 0
    sums = await books(stage, sub)
    assert (sums["dispute_losses"], sums.get("cash:simulator", 0)) == (800, 0)


async def test_a_bank_that_reverses_its_decision_is_followed(stage: Stage, bank: Bank) -> None:
    """Won, lost after all, and won at last: by webhooks of the gateway, each of which comes twice."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await subscribed(stage, clock, DisputePolicy.FREEZE)
    disputed = await payment(stage, sub)
    [[ref]] = await stage.rows("SELECT gateway_ref FROM payment_attempts WHERE id = :id", id=disputed)
    await bank(disputed, OPEN)
    await bank(disputed, WON)
    await becomes(stage, sub, "active")
    for lost in (1000, 0):
        await asyncio.to_thread(stage.engine.gateway.reverse_dispute, str(ref))
        await bank(disputed, None)
        await becomes(stage, sub, "canceled")
        sums = await books(stage, sub)
        assert (sums.get("dispute_losses", 0), sums.get("cash:simulator", 0)) == (lost, 1000 - lost)
    await heard(stage, sub, "dispute_lost")
    await stage.once_each(sub)


async def test_a_one_off_invoice_is_booked_too(stage: Stage, bank: Bank) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    lines = (DraftLine(description="Workshop", amount=30_000),)
    new = NewDraft(customer_id=await stage.customer(), currency="USD", lines=lines, test_clock_id=clock)
    made = (await drafts.create(stage.engine, new)).id
    await one_off.finalise(stage.engine, made)
    rows = await stage.rows("SELECT id FROM payment_attempts WHERE invoice_id = :id", id=made)
    await bank(rows[0].id, OPEN)
    assert await stage.books(made) == {
        "receivable": 0,
        "revenue": -30_000,
        "cash:simulator": 0,
        "disputed:simulator": 30_000,
    }
    await bank(rows[0].id, LOST)
    assert (await stage.books(made))["dispute_losses"] == 30_000
    told = [entry.kind for entry in await timeline(stage.engine, made) if "dispute" in entry.kind]
    assert told == ["charge_disputed", "dispute_decided"]


async def test_a_gift_whose_charge_is_disputed_gives_nothing_back(stage: Stage, bank: Bank) -> None:
    """Canceled, it is only void: the bank has the giver's money already."""
    clock = await stage.clock("2026-02-01 00:00")
    gift = await gifts.buy(
        stage.engine,
        NewGift(
            giver_id=await stage.customer(),
            plan="standard-monthly",
            currency="USD",
            periods=3,
            recipient_email="grace@example.com",
            recipient_name="Grace",
            test_clock_id=clock,
        ),
    )
    rows = await stage.rows(
        "SELECT a.id, a.amount FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE i.gift_id = :id",
        id=gift.id,
    )
    await bank(rows[0].id, OPEN)
    assert (await gifts.cancel(stage.engine, gift.id)).status == "canceled"
    await bank(rows[0].id, LOST)
    books = await stage.books(gift.id)
    assert (books["dispute_losses"], books["cash:simulator"]) == (rows[0].amount, 0)
    assert await stage.rows("SELECT 1 FROM credit_notes n JOIN invoices i ON i.id = n.invoice_id "
                            "WHERE i.gift_id = :id", id=gift.id) == []  # fmt: skip
