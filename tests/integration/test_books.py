"""The books of half a year that the engine has lived: recognised, reported, handed over."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.books.recognise import recognise
from perennial.domain.months import Month
from perennial.engine.context import Engine
from perennial.reports.registry import find
from perennial.reports.report import Row
from tests.integration.world import World

END = datetime(2030, 1, 1, tzinfo=UTC)
LAST = Month(2029, 12)


def through(month: str) -> Callable[[Session], Any]:
    return lambda session: recognise(session, Month.parse(month), END)


async def rows(engine: Engine, statement: str, **values: Any) -> list[Any]:
    return await engine.read(lambda session: list(session.execute(text(statement), values)))


async def balances(engine: Engine) -> dict[tuple[str, str], int]:
    found = await rows(
        engine, "SELECT account, currency, sum(amount) FROM ledger_entries GROUP BY 1, 2 HAVING sum(amount) <> 0"
    )
    return {(account, currency): int(amount) for account, currency, amount in found}


async def report(engine: Engine, name: str, **given: str) -> list[Row]:
    one = find(name)
    found = await engine.read(lambda session: one.run(session, one.parse(given)))
    assert all(set(row) == {column.name for column in one.columns} for row in found)
    return found


async def test_in_the_end_all_is_earned_but_the_gift_that_waits(copy: Engine, healthy: World) -> None:
    await copy.write(through("2029-12"))
    left = {place: amount for place, amount in (await balances(copy)).items() if place[0] == "deferred_revenue"}
    [(waiting,)] = await rows(copy, "SELECT net FROM invoices WHERE gift_id = :id", id=healthy.named["gift_waiting"])
    assert left == {("deferred_revenue", "USD"): -waiting}
    assert await copy.write(through("2029-12")) == []


async def test_month_by_month_or_at_once_is_the_same(copy: Engine, healthy: World) -> None:
    said = "SELECT invoice_id, line_position, month, sum(amount) FROM recognitions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    asked = copy.sessions()
    with asked as session:
        through("2026-12")(session)
        at_once = list(session.execute(text(said)))
        session.rollback()
    month = Month(2026, 1)
    while month <= Month(2026, 12):
        await copy.write(through(str(month)))
        month = month.next
    assert await rows(copy, said) == at_once
    assert len(at_once) > 40


async def test_two_at_once_do_it_once(copy: Engine, healthy: World) -> None:
    both = await asyncio.gather(*(copy.write(through("2026-05")) for _ in range(2)))
    assert sorted(map(bool, both)) == [False, True]
    [(total, posted)] = await rows(
        copy,
        "SELECT (SELECT sum(amount) FROM recognitions), (SELECT -sum(amount) FROM ledger_entries e JOIN "
        "ledger_transactions t ON t.id = e.transaction_id WHERE kind = 'revenue_recognised' AND amount < 0)",
    )
    [(taken,)] = await rows(
        copy,
        "SELECT sum(amount) FROM ledger_entries e JOIN ledger_transactions t "
        "ON t.id = e.transaction_id WHERE kind = 'revenue_recognised' "
        "AND account = 'deferred_revenue'",
    )
    assert total == taken
    assert posted >= total > 0


async def test_a_gift_is_earned_while_its_recipient_is_served(copy: Engine, healthy: World) -> None:
    """Two months from 31 January to 31 March: one of its 59 days lies in January, 28 in February, 30 in March."""
    await copy.write(through("2026-06"))
    found = await rows(
        copy,
        "SELECT month, amount FROM recognitions r JOIN invoices i ON i.id = r.invoice_id WHERE i.gift_id = :id "
        "ORDER BY month",
        id=healthy.named["gift_claimed"],
    )
    [(net,)] = await rows(copy, "SELECT net FROM invoices WHERE gift_id = :id", id=healthy.named["gift_claimed"])
    shares = [round(Decimal(net * days) / 59) for days in (1, 29, 59)]
    assert [(month, amount) for month, amount in found] == [
        ("2026-01", shares[0]),
        ("2026-02", shares[1] - shares[0]),
        ("2026-03", shares[2] - shares[1]),
    ]
    refunded = await rows(
        copy,
        "SELECT 1 FROM recognitions r JOIN invoices i ON i.id = r.invoice_id WHERE i.gift_id = :id",
        id=healthy.named["gift_refunded"],
    )
    assert refunded == []
