"""Credit in a subscription's life: used by renewals, lost when it expires, given back by a voided invoice."""

from typing import Any

import pytest

from perennial.checks import run_checks
from perennial.domain.errors import ClockAdvancing, InvalidInput, NotFound
from perennial.engine import credits, previews, subscriptions
from perennial.engine.credits import NewGrant
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import Stage, at


async def give(stage: Stage, customer: str, amount: int, expires: str | None = None, **more: Any) -> str:
    new = NewGrant(
        customer_id=customer,
        currency=more.pop("currency", "USD"),
        amount=amount,
        reason="Sorry",
        expires_at=at(expires) if expires else None,
        **more,
    )
    return (await credits.grant(stage.engine, new)).id


async def usable(stage: Stage, customer: str) -> dict[str, int]:
    found = await credits.balance(stage.engine, customer)
    return {each.currency: each.amount for each in found.currencies}


async def paid_from_credit(stage: Stage, sub: str) -> list[tuple[int, int]]:
    """(used from credit, due) of each invoice."""
    return [(bill.credit_applied, bill.amount_due) for bill in await stage.bills(sub)]


async def lost(stage: Stage, customer: str) -> list[tuple[int, str]]:
    found = await stage.rows(
        "SELECT e.amount, t.at FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id "
        "WHERE e.account = :account AND t.kind = 'credit_expired' ORDER BY t.at",
        account=f"credit:{customer}",
    )
    return [(amount, f"{moment:%Y-%m-%d}") for amount, moment in found]


async def balanced(stage: Stage) -> None:
    (result,) = await run_checks(stage.engine, ["credit_equals_ledger"])
    assert result.ok, result.findings


async def test_renewals_use_credit_until_it_is_gone(stage: Stage) -> None:
    """25.00 of credit on 9.00 a month: two months are free, the third costs 2.00."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await give(stage, stage.owners[sub], 2500)
    await give(stage, stage.owners[sub], 10_000, currency="EUR")
    await stage.advance(clock, "2026-05-31 10:00")
    assert await paid_from_credit(stage, sub) == [(0, 900), (900, 0), (900, 0), (700, 200), (0, 900)]
    assert await usable(stage, stage.owners[sub]) == {"EUR": 10_000}
    await stage.once_each(sub)
    await balanced(stage)


async def test_credit_that_expires_first_is_used_first_and_the_rest_is_lost(stage: Stage) -> None:
    """Given first, but never expiring, is kept for last. What expires on 15 March serves February alone."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    customer = stage.owners[sub]
    await give(stage, customer, 500)
    await give(stage, customer, 1200, expires="2026-03-15 00:00")
    await stage.advance(clock, "2026-02-28 10:00")
    assert await usable(stage, customer) == {"USD": 800}
    await stage.advance(clock, "2026-03-20 10:00")
    assert await usable(stage, customer) == {"USD": 500}
    assert await lost(stage, customer) == []
    await stage.advance(clock, "2026-03-31 10:00")
    assert await paid_from_credit(stage, sub) == [(0, 900), (900, 0), (500, 400)]
    assert await lost(stage, customer) == [(300, "2026-03-15")]
    await balanced(stage)


async def test_credit_that_nobody_uses_expires_on_its_clock(stage: Stage) -> None:
    """A test clock's time is no business of other customers, nor theirs of it."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "standard-yearly")
    customer = stage.owners[sub]
    grant = await give(stage, customer, 400, expires="2026-02-10 00:00")
    await stage.advance(clock, "2026-02-20 10:00")
    assert grant not in [each.grant_id for each in await credits.expire(stage.engine)]
    [ended] = await credits.expire(stage.engine, test_clock_id=clock)
    assert (ended.grant_id, ended.amount, ended.at) == (grant, 400, at("2026-02-10 00:00"))
    assert await credits.expire(stage.engine, test_clock_id=clock) == []
    assert await lost(stage, customer) == [(400, "2026-02-10")]
    await balanced(stage)


async def test_a_voided_invoice_gives_its_credit_back(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 10:00")
    customer = await stage.customer(card=None)
    await give(stage, customer, 300)
    new = NewSubscription(customer_id=customer, plan="basic-monthly", currency="USD", net_days=14, test_clock_id=clock)
    preview = await previews.preview_new(stage.engine, new)
    assert (preview.total, preview.credit_applied, preview.amount_due) == (900, 300, 600)
    sub = (await subscriptions.create(stage.engine, new)).id
    [bill] = await stage.bills(sub)
    assert (bill.credit_applied, bill.amount_due) == (300, 600)
    assert await usable(stage, customer) == {}
    await stage.send(sub, "give_up_invoice", invoice=bill.key, write_off=False)
    assert await usable(stage, customer) == {"USD": 300}
    await balanced(stage)


async def test_a_grant_is_made_once_a_request(stage: Stage) -> None:
    customer = await stage.customer()
    first = await give(stage, customer, 100, request_id="req_once")
    assert await give(stage, customer, 100, request_id="req_once") == first
    assert await usable(stage, customer) == {"USD": 100}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -5}, "amount"),
        ({"amount": 5, "currency": "XXQ"}, "currency"),
        ({"amount": 5, "expires": "2026-01-31 10:00"}, "expires_at"),
    ],
)
async def test_a_grant_that_makes_no_sense_is_refused(stage: Stage, fields: dict[str, Any], field: str) -> None:
    """Its expiry is seen from where the customer's time stands."""
    sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"))
    with pytest.raises(InvalidInput) as refused:
        await give(stage, stage.owners[sub], **fields)
    assert refused.value.field == field
    assert await usable(stage, stage.owners[sub]) == {}


async def test_credit_is_for_somebody_whose_time_stands_still(stage: Stage) -> None:
    with pytest.raises(NotFound):
        await give(stage, "cus_nobody", 100)
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.execute("UPDATE test_clocks SET status = 'advancing' WHERE id = :id", id=clock)
    with pytest.raises(ClockAdvancing):
        await give(stage, stage.owners[sub], 100)
    await stage.execute("UPDATE test_clocks SET status = 'ready' WHERE id = :id", id=clock)
    await give(stage, stage.owners[sub], 100)
    assert await usable(stage, stage.owners[sub]) == {"USD": 100}
