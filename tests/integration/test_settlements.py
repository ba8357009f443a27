"""Settlements by day: they sum to the trial balance, and stand beside what the gateway says."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from perennial.checks.tours import go_round
from perennial.contracts.reconciliation import Tour
from perennial.domain.errors import InvalidInput
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import ChargeRequest
from perennial.reports.registry import find
from perennial.reports.report import Row
from tests.integration.planted.model import FIRST_ATTEMPT
from tests.integration.test_checks import spoil
from tests.integration.world import World


async def run(engine: Engine, name: str = "settlements", **given: str) -> list[Row]:
    report = find(name)
    parameters = report.parse(given)
    return await engine.read(lambda session: report.run(session, parameters))


def total(rows: list[Row], column: str, gateway: str = "simulator") -> Counter[str]:
    sums: Counter[str] = Counter()
    for row in rows:
        if row["gateway"] == gateway:
            sums[row["currency"]] += row[column]
    return sums


async def compared(engine: Engine) -> list[Row]:
    await go_round(engine, Tour.GATEWAYS)
    return await run(engine)


async def test_the_days_sum_to_the_trial_balance(copy: Engine, healthy: World) -> None:
    rows = await run(copy)
    cash = [row for row in await run(copy, "trial-balance") if row["account"].startswith("cash:")]

    assert "cash:simulator" in {row["account"] for row in cash}
    for row in cash:
        sums = total(rows, "net", row["account"].removeprefix("cash:"))
        assert sums[row["currency"]] == row["debit"] - row["credit"]
    for row in rows:
        assert row["net"] == row["captured"] - row["refunded"] - row["disputed"]
    with copy.db.connect() as connection:
        [captured] = connection.scalars(text("SELECT sum(amount) FROM payment_attempts WHERE status = 'succeeded'"))
        [refunded] = connection.scalars(text("SELECT sum(amount) FROM refunds WHERE status = 'succeeded'"))
    assert sum(row["captured"] for row in rows) == captured
    assert sum(row["refunded"] for row in rows) == refunded > 0
    assert len({row["day"] for row in rows}) > 10


async def test_before_the_first_tour_nothing_is_compared(copy: Engine, healthy: World) -> None:
    before, after = await run(copy), await compared(copy)

    assert total(before, "not_compared") == total(before, "captured")
    assert {row["not_compared"] for row in after} == {0}
    for rows in (before, after):
        assert {row["difference"] for row in rows} == {0}
        assert total(rows, "gateway_net") == total(rows, "net")


async def test_days_and_currencies_are_chosen(copy: Engine, healthy: World) -> None:
    every = await run(copy)
    days = sorted({row["day"] for row in every})
    some = await run(copy, since=days[2], until=days[4])
    assert some == [row for row in every if days[2] <= row["day"] <= days[4]]
    assert {row["currency"] for row in await run(copy, currency="jpy")} == {"JPY"}
    with pytest.raises(InvalidInput, match="no day"):
        await run(copy, since="2026-02-30")


def first_attempt(copy: Engine, healthy: World) -> Any:
    with copy.db.connect() as connection:
        query = (
            f"SELECT *, (started_at AT TIME ZONE 'UTC')::date AS day FROM payment_attempts WHERE id = {FIRST_ATTEMPT}"  # noqa: S608 - our own
        )
        return connection.execute(text(query), healthy.named).one()


async def test_what_the_gateway_says_otherwise_stands_on_the_day_of_the_charge(copy: Engine, healthy: World) -> None:
    attempt = first_attempt(copy, healthy)
    spoil(copy, "UPDATE simulator.payments SET amount = amount + 7, refunded = 2 WHERE key = :key", key=attempt.key)

    rows = [row for row in await compared(copy) if row["difference"]]

    assert [(row["day"], row["currency"], row["difference"]) for row in rows] == [(str(attempt.day), "USD", 5)]
    assert rows[0]["gateway_net"] == rows[0]["net"] + 5


async def test_what_the_gateway_does_not_know_is_less_and_what_we_do_not_know_has_no_day(
    copy: Engine, healthy: World
) -> None:
    attempt = first_attempt(copy, healthy)
    spoil(copy, "UPDATE simulator.payments SET key = 'charge\\:elsewhere\\:1' WHERE key = :key", key=attempt.key)
    copy.gateway.charge(ChargeRequest("charge:nobody:1", 250, "CHF", "pm_card_visa", "cus_x"))

    told = {(row["day"], row["currency"]): row["difference"] for row in await compared(copy) if row["difference"]}

    assert told == {(str(attempt.day), "USD"): -900, (None, "USD"): 900, (None, "CHF"): 250}


async def test_a_dispute_that_is_not_booked_is_a_difference(copy: Engine, healthy: World) -> None:
    attempt = first_attempt(copy, healthy)
    assert isinstance(copy.gateway, SimulatorGateway)
    copy.gateway.dispute(attempt.gateway_ref)

    told = [(row["day"], row["difference"]) for row in await compared(copy) if row["difference"]]

    assert told == [(str(attempt.day), -900)]
