"""Two who want the same subscription's money at one moment. Whoever is first, the story is one, and paid once.

What the moments are is left to the machine: each story holds in whichever order things come. The threats and what stops
them are told in docs/adr/0006-races-of-payments.md.
"""

import asyncio

from perennial.domain.subscription.commands import When
from tests.support.stage import Stage, at, eventually

CROWD = 6


async def ended(stage: Stage, sub: str) -> bool:
    rows = await stage.rows("SELECT ended_at FROM subscriptions WHERE id = :id", id=sub)
    return rows[0].ended_at is not None


async def test_a_cancellation_against_the_renewal(stage: Stage) -> None:
    """Asked for a second before the period ends, while the clock moves over it: before the renewal or after it."""
    clock = await stage.clock("2026-02-01 00:00")
    subs = [await stage.subscribe(clock) for _ in range(CROWD)]
    moment = at("2026-02-28 23:59:59")
    await asyncio.gather(
        stage.advance(clock, "2026-03-01 00:00"),
        *(stage.signal(sub, "cancel", moment, when=When.NOW) for sub in subs),
    )
    for sub in subs:
        await eventually(lambda sub=sub: ended(stage, sub))
    await stage.advance(clock, "2026-05-01 00:00")
    for sub in subs:
        bills = await stage.bills(sub)
        told = await stage.rows("SELECT ended_at FROM subscriptions WHERE id = :id", id=sub)
        assert len(bills) in (1, 2)
        assert (told[0].ended_at <= moment) is (len(bills) == 1), (told[0].ended_at, bills)
        await stage.once_each(sub)


async def net(stage: Stage, sub: str) -> int:
    """What it has cost."""
    notes = await stage.rows("SELECT total FROM credit_notes WHERE subscription_id = :id", id=sub)
    return sum(bill.total for bill in await stage.bills(sub)) - sum(note.total for note in notes)


async def test_two_upgrades_at_once(stage: Stage) -> None:
    """It costs what the same two cost one after the other, in the order in which they came."""
    plans = ("standard-monthly", "premium-monthly")
    clock = await stage.clock("2026-02-01 00:00")
    sub, *others = [await stage.subscribe(clock) for _ in range(3)]
    await stage.advance(clock, "2026-02-15 00:00")
    await asyncio.gather(*(stage.send(sub, "change_plan", plan=plan) for plan in plans))
    costs = {}
    for other, order in zip(others, (plans, plans[::-1]), strict=True):
        for plan in order:
            await stage.send(other, "change_plan", plan=plan)
        costs[order[-1]] = await net(stage, other)
    assert len(set(costs.values())) == 2
    assert await net(stage, sub) == costs[(await stage.view(sub)).plan]
    await stage.once_each(sub)


async def test_customers_who_retry_against_the_policys_retry(stage: Stage) -> None:
    """The renewal is declined once. On the day of the policy's retry the portal is clicked three times, and a new card
    comes: one of them pays, the others find it paid.
    """
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_2")
    await stage.advance(clock, "2026-03-01 00:00")
    assert (await stage.view(sub)).status == "past_due"
    card = await stage.card(stage.owners[sub], "pm_card_mastercard")
    retry = at("2026-03-02 00:00")
    await asyncio.gather(
        stage.advance(clock, retry),
        *(stage.signal(sub, "retry_payment", retry) for _ in range(3)),
        stage.signal(sub, "set_payment_method", retry, payment_method_id=card),
    )

    async def recovered() -> bool:
        return (await stage.view(sub)).status == "active"

    await eventually(recovered)
    await stage.advance(clock, "2026-03-20 00:00")
    succeeded = await stage.rows(
        "SELECT i.key FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id "
        "WHERE i.subscription_id = :id AND a.status = 'succeeded'",
        id=sub,
    )
    assert len(succeeded) == len({row.key for row in succeeded}) == 2
    await stage.once_each(sub)


async def test_a_recorded_transfer_against_the_policys_retry(stage: Stage) -> None:
    """Both may have paid: then the second payment is the customer's credit."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_2")
    await stage.advance(clock, "2026-03-01 00:00")
    invoice = (await stage.bills(sub))[-1].key
    retry = at("2026-03-02 00:00")
    await asyncio.gather(
        stage.advance(clock, retry),
        stage.signal(sub, "record_payment", retry, invoice=invoice, reference="BANK 1"),
    )
    await stage.advance(clock, "2026-03-20 00:00")
    bill = (await stage.bills(sub))[-1]
    assert (bill.key, bill.status) == (invoice, "paid")
    paid = await stage.rows(
        "SELECT sum(a.amount) AS sum FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id "
        "WHERE i.key = :key AND a.status = 'succeeded'",
        key=invoice,
    )
    assert int(paid[0].sum) - await stage.credit(sub) == bill.amount_due
