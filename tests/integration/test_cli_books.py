"""Recognising, explaining and exporting on the command line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.conftest import Cli


def test_a_month_is_recognised_explained_and_exported(cli: Cli, subscribed: Callable[..., Any], tmp_path: Path) -> None:
    clock = cli("clocks", "create", "books", "--now", "2026-01-16T00:00:00Z", "--json").json["id"]
    made = subscribed("basic-monthly", "--clock", clock)
    [invoice] = cli("invoices", "list", "--customer", made["customer_id"], "--json").json["data"]
    explained = cli("books", "explain", invoice["id"], "--json").json["data"]
    assert [(row["month"], row["earned"], row["posted"]) for row in explained] == [
        ("2026-01", 465, 0),
        ("2026-02", 435, 0),
    ]
    said = cli("books", "recognise", "--through", "2026-01")
    assert said.code == 0, said.err
    assert "2026-01" in said.out
    assert cli("books", "recognise", "--through", "2026-01", "--json").json == {"data": [], "next": None}
    assert "USD 4.65" in cli("books", "explain", invoice["id"]).out
    [january, _] = cli("books", "explain", invoice["id"], "--json").json["data"]
    assert january["posted"] == 465
    assert cli("check", "deferred_equals_schedule", "books_balance").code == 0

    file = tmp_path / "ledger.beancount"
    answer = cli("export", "ledger", "--out", str(file), "--json").json
    assert answer == {"file": str(file), "format": "beancount", "lines": len(file.read_text().splitlines())}
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    program = Path(sys.executable).with_name("bean-check")
    subprocess.run([program, "--no-cache", file], check=True, timeout=60)
    assert "ada@example.com" not in file.read_text()
    assert file.read_text() == cli("export", "ledger").out
    whole = json.loads(cli("export", "ledger", "--format", "json").out)
    assert whole == cli("export", "ledger", "--json").json
    assert f"issue:{invoice['key']}" in {each["key"] for each in whole}
    assert cli("export", "ledger", "--format", "csv").out.startswith("transaction,at,kind,")
    assert cli("report", "trial-balance", "--currency", "USD").code == 0


def test_what_cannot_be_is_one_line(cli: Cli, tmp_path: Path) -> None:
    wrong = cli("books", "recognise", "--through", "2026-13")
    assert (wrong.code, wrong.err) == (2, "invalid_input: '2026-13' is no month (2027-03) (month)\n")
    early = cli("books", "recognise", "--through", "2999-01")
    assert (early.code, early.err) == (2, "invalid_input: 2999-01 is not over yet in UTC (through)\n")
    assert cli("books", "explain", "inv_none").code == 2
    nowhere = cli("export", "ledger", "--out", str(tmp_path / "no" / "file"))
    assert nowhere.code == 2
    assert "No such file or directory" in nowhere.err
