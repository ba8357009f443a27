"""The books of half a year that the engine has lived: recognised, reported, handed over."""

import asyncio
import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.books.accounts import beancount_names
from perennial.books.formats import LedgerFormat
from perennial.books.monthly import close_months
from perennial.books.recognise import recognise
from perennial.checks.registry import run_checks
from perennial.domain.errors import InvalidInput
from perennial.domain.money import Money
from perennial.domain.months import Month
from perennial.engine.context import Engine
from perennial.reports.registry import find
from perennial.reports.report import Row
from tests.integration.world import BEGIN, World

BOOKS = (
    "books_balance",
    "credit_equals_ledger",
    "receivable_equals_open_invoices",
    "refunds_payable_equals_pending",
    "tax_payable_equals_documents",
    "deferred_equals_schedule",
    "invoices_add_up",
)
END = datetime(2030, 1, 1, tzinfo=UTC)


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


async def test_all_checks_hold_over_recognised_months(copy: Engine, healthy: World) -> None:
    for month in ("2026-02", "2026-05"):
        await copy.write(through(month))
        assert [result for result in await run_checks(copy, BOOKS) if not result.ok] == []


async def test_the_last_month_that_is_over_is_closed(copy: Engine, healthy: World) -> None:
    posted = await copy.write(lambda session: close_months(session, datetime(2026, 4, 10, tzinfo=UTC)))
    assert {row.month for row in posted} == {"2026-01", "2026-02", "2026-03"}
    with pytest.raises(InvalidInput, match="2026-04 is not over yet in UTC"):
        await copy.write(lambda session: recognise(session, Month(2026, 4), datetime(2026, 4, 30, tzinfo=UTC)))


async def test_reports_say_the_same_as_the_documents_and_each_other(copy: Engine, healthy: World) -> None:
    await copy.write(through("2026-05"))
    trial = await report(copy, "trial-balance")
    assert {(row["account"], row["currency"]): row["debit"] - row["credit"] for row in trial} == await balances(copy)
    for currency in {row["currency"] for row in trial}:
        assert sum(row["debit"] - row["credit"] for row in trial if row["currency"] == currency) == 0
    deferred = await report(copy, "deferred-revenue", currency="USD")
    assert [row["opening"] for row in deferred[1:]] == [row["closing"] for row in deferred[:-1]]
    for row in deferred:
        assert row["closing"] == row["opening"] + row["added"] - row["taken_back"] - row["recognised"]
    assert (await balances(copy))["deferred_revenue", "USD"] == -deferred[-1]["closing"]
    aged = await report(copy, "receivables-aging")
    assert Counter({row["currency"]: row["total"] for row in aged}) == Counter(
        {currency: amount for (account, currency), amount in (await balances(copy)).items() if account == "receivable"}
    )
    revenue = await report(copy, "revenue")
    earned = Counter(dict.fromkeys({row["currency"] for row in revenue}, 0))
    for row in revenue:
        earned[row["currency"]] += row["earned"]
    assert earned == {
        currency: -amount for (account, currency), amount in (await balances(copy)).items() if account == "revenue"
    }


async def test_reports_of_the_past_do_not_change(copy: Engine, healthy: World) -> None:
    then = (BEGIN + timedelta(days=60)).isoformat()
    names = ("trial-balance", "receivables-aging", "tax")
    before = [await report(copy, name, as_of=then) for name in names]
    await copy.write(through("2026-05"))
    assert [await report(copy, name, as_of=then) for name in names[1:]] == before[1:]
    months = {row["month"] for row in await report(copy, "deferred-revenue", as_of=then)}
    assert max(months) == "2026-03"


async def exported(engine: Engine, form: LedgerFormat, as_of: datetime | None = None) -> list[str]:
    return await engine.read(lambda session: list(form.write(session, as_of)))


async def test_bean_check_accepts_the_export_and_its_balances_are_ours(
    copy: Engine, healthy: World, tmp_path: Path
) -> None:
    await copy.write(through("2026-05"))
    lines = await exported(copy, LedgerFormat.BEANCOUNT)
    assert bean_check(tmp_path, lines) == ""
    ours = await balances(copy)
    names = beancount_names({account for account, _ in ours} | set(await accounts(copy)))
    entries: Counter[tuple[str, str]] = Counter()
    asserted: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        match line.split():
            case [_, "balance", name, amount, "~", "0", currency]:
                asserted[name, currency] = Decimal(amount)
            case [name, amount, currency] if line.startswith("  ") and name[0].isupper():
                entries[name, currency] += Decimal(amount)
    expected = {
        (names[account], currency): Money(amount, currency).major for (account, currency), amount in ours.items()
    }
    assert {place: amount for place, amount in asserted.items() if amount} == expected
    assert {place: amount for place, amount in entries.items() if amount} == expected
    assert len(expected) > 8
    assert len({currency for _, currency in asserted}) > 2


async def test_bean_check_notices_one_unit(copy: Engine, healthy: World, tmp_path: Path) -> None:
    lines = await exported(copy, LedgerFormat.BEANCOUNT)
    n = next(n for n, line in enumerate(lines) if " balance Assets:Cash:Simulator " in line and line.endswith("USD"))
    amount = Decimal(lines[n].split()[3])
    lines[n] = lines[n].replace(f" {amount} ", f" {amount + Decimal('0.01')} ")
    assert "Balance failed" in bean_check(tmp_path, lines)


async def test_an_export_up_to_an_instant_stands_for_itself(copy: Engine, healthy: World, tmp_path: Path) -> None:
    then = BEGIN + timedelta(days=30)
    lines = await exported(copy, LedgerFormat.BEANCOUNT, then)
    assert bean_check(tmp_path, lines) == ""
    [(posted,)] = await rows(copy, "SELECT count(*) FROM ledger_transactions WHERE at <= :then", then=then)
    assert sum(" * " in line for line in lines) == posted
    assert await exported(copy, LedgerFormat.BEANCOUNT, BEGIN - timedelta(days=30)) == [
        'option "title" "Perennial"',
        "",
    ]


async def test_tables_hold_every_entry(copy: Engine, healthy: World) -> None:
    [(number, total)] = await rows(copy, "SELECT count(*), sum(amount) FILTER (WHERE amount > 0) FROM ledger_entries")
    table = list(csv.DictReader(await exported(copy, LedgerFormat.CSV)))
    assert len(table) == number
    assert sum(int(row["amount_minor"]) for row in table if int(row["amount_minor"]) > 0) == total
    transactions = json.loads("\n".join(await exported(copy, LedgerFormat.JSON)))
    assert sum(len(each["entries"]) for each in transactions) == number
    assert all(sum(entry["amount"] for entry in each["entries"]) == 0 for each in transactions)
    assert json.loads("\n".join(await exported(copy, LedgerFormat.JSON, BEGIN - timedelta(days=30)))) == []


async def accounts(engine: Engine) -> list[str]:
    return [name for (name,) in await rows(engine, "SELECT DISTINCT account FROM ledger_entries")]


def bean_check(folder: Path, lines: list[str]) -> str:
    """What the program says; nothing when it is content. It is a process of its own: we never import it."""
    file = folder / "ledger.beancount"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    program = Path(sys.executable).with_name("bean-check")
    done = subprocess.run([program, "--no-cache", file], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr + done.stdout
