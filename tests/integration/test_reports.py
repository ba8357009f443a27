"""The past as the report tells it, against what the engine knew at that time."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from perennial.engine.context import Engine
from perennial.reports.registry import find
from perennial.reports.report import Row
from tests.integration.world import BEGIN, World

REACHED = BEGIN + timedelta(days=172)


async def run(engine: Engine, name: str, **given: str) -> list[Row]:
    report = find(name)
    parameters = report.parse(given)
    return await engine.read(lambda session: report.run(session, parameters))


def on_day(days: float) -> str:
    return (BEGIN + timedelta(days=days)).isoformat()


async def statuses(engine: Engine, at: str) -> dict[tuple[str, str], int]:
    """By plan and status."""
    rows = await run(engine, "active-subscriptions", as_of=at)
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[row["plan"], row["status"]] += row["subscriptions"]
    return dict(counts)


async def test_the_past_told_at_the_end_is_the_present(copy: Engine, healthy: World) -> None:
    now = await run(copy, "active-subscriptions")

    assert await run(copy, "active-subscriptions", as_of=REACHED.isoformat()) == now
    assert sum(row["subscriptions"] for row in now) == 8


async def test_every_status_of_the_past_is_told(copy: Engine, healthy: World) -> None:
    assert await statuses(copy, on_day(-1)) == {}
    first = await statuses(copy, on_day(0.1))
    assert first["basic-monthly", "incomplete"] == 1
    assert first["basic-monthly", "active"] == 7
    assert first["trial-monthly", "trialing"] == first["premium-monthly", "trialing"] == 1
    fifth = await statuses(copy, on_day(5.5))
    assert fifth["premium-monthly", "paused"] == fifth["standard-monthly", "paused"] == 1
    assert ("basic-monthly", "incomplete") not in fifth
    overdue = await statuses(copy, on_day(28.5))
    assert overdue["basic-monthly", "past_due"] == 1


async def test_quantities_and_plans_are_those_agreed_then(copy: Engine, healthy: World) -> None:
    def seats(rows: list[Row]) -> int:
        return sum(row["quantity"] for row in rows if row["plan"] == "team-monthly")

    days = {4: 3, 6: 5, 33: 2}
    told = {day: seats(await run(copy, "active-subscriptions", as_of=on_day(day))) for day in days}
    assert told == days
    plans = {row["plan"] for row in await run(copy, "active-subscriptions", as_of=on_day(33))}
    assert "standard-yearly" in plans


async def test_one_currency(copy: Engine, healthy: World) -> None:
    for given in ({}, {"as_of": on_day(20)}):
        rows = await run(copy, "active-subscriptions", currency="JPY", **given)
        assert {row["currency"] for row in rows} == {"JPY"}


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo"])
async def test_revenue_sums_to_the_documents(copy: Engine, healthy: World, timezone: str) -> None:
    rows = await run(copy, "revenue", timezone=timezone)

    def total(column: str) -> int:
        return sum(row[column] for row in rows)

    with copy.db.connect() as connection:

        def scalar(statement: str) -> int:
            return int(connection.execute(text(statement)).scalar_one())

        assert total("invoiced") == scalar("SELECT sum(net) FROM invoices")
        assert total("voided") == scalar("SELECT sum(net) FROM invoices WHERE status = 'void'")
        assert total("credited") == scalar("SELECT sum(net) FROM credit_notes")
        assert total("written_off") == scalar("SELECT sum(amount_due) FROM invoices WHERE status = 'uncollectible'")
        assert total("paid") == scalar("SELECT sum(amount) FROM payment_attempts WHERE status = 'succeeded'")
        assert total("refunded") == scalar("SELECT sum(amount) FROM refunds WHERE status = 'succeeded'")
        assert total("disputed") == scalar("SELECT sum(amount) FROM disputes WHERE status <> 'won'") > total("lost")
        assert total("lost") == scalar("SELECT sum(amount) FROM disputes WHERE status = 'lost'") > 0
    assert total("net") == total("invoiced") - total("voided") - total("credited")


async def test_revenue_up_to_an_instant_never_changes_later(copy: Engine, healthy: World) -> None:
    def until(rows: list[Row], at: datetime) -> list[Row]:
        return [row for row in rows if row["month"] < at.strftime("%Y-%m")]

    end_of_march = datetime.fromisoformat("2026-03-31T23:59:59+00:00")
    early = await run(copy, "revenue", as_of=end_of_march.isoformat())
    late = await run(copy, "revenue")
    assert until(early, end_of_march) == until(late, end_of_march)
    assert [row for row in early if row["month"] == "2026-03"] == [row for row in late if row["month"] == "2026-03"]
