"""The command line as its user has it: a process of its own, also when what it needs is away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from perennial.stack import Stack
from tests.integration.conftest import Cli


def test_a_first_subscription_from_the_shell(perennial: Cli) -> None:
    assert perennial("plans", "seed").code == 0
    customer = perennial(
        *("customers", "create", "--name", "Zoë [Müller]", "--email", "zoe@example.com"),
        *("--timezone", "Europe/Berlin", "--card", "pm_card_visa", "--json"),
    ).json["customer"]
    assert customer["name"] == "Zoë [Müller]"
    made = perennial("subscriptions", "create", customer["id"], "basic-monthly", "--json").json
    assert made["status"] == "active"
    shown = perennial("customers", "show", customer["id"])
    assert "Zoë [Müller]" in shown.out
    assert made["id"] in shown.out
    assert perennial("subscriptions", "cancel", made["id"]).out.count("Ends") == 1
    assert perennial("bill", customer["id"]).code == 0
    assert perennial("timeline", made["id"]).code == 0
    assert perennial("check").code == 0


def test_a_plan_comes_through_a_pipe(perennial: Cli) -> None:
    price = '{"USD": {"type": "flat", "amount": "3"}}'
    plan = f'{{"code": "piped", "name": "P", "interval": {{"unit": "week"}}, "prices": {price}}}'
    assert perennial("plans", "create", "-", stdin=plan).out == "piped version 1: USD 3 every week\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("customers", "list"),
        ("subscriptions", "show", "sub_x"),
        ("check",),
        ("report", "revenue"),
        ("support", "stuck"),
        ("bill", "cus_x"),
    ],
)
def test_without_a_running_dev_the_missing_setting_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
    program = Path(sys.executable).with_name("perennial")
    done = subprocess.run([program, *arguments], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"PERENNIAL_DATABASE_URL: is not set, and no `perennial dev` is running in {tmp_path / '.perennial'}\n"
    )


AWAY = {"PERENNIAL_TEMPORAL_ADDRESS": "127.0.0.1:1"}


def test_temporal_away_is_one_line(perennial: Cli) -> None:
    customer = perennial("customers", "create", "--name", "A", "--email", "a@b.c", "--card", "pm_card_visa", "--json")
    customer_id = customer.json["customer"]["id"]
    assert perennial("customers", "show", customer_id, env=AWAY).code == 0, "reading needs no Temporal"
    for arguments in (
        ("subscriptions", "create", customer_id, "basic-monthly"),
        ("check", "rows_match_workflows"),
        ("support", "stuck"),
    ):
        said = perennial(*arguments, env=AWAY)
        assert said.code == 1
        assert said.err == "engine_unavailable: Temporal is away\n"
    assert perennial("subscriptions", "list", "--customer", customer_id, "--json").json["data"] == []


@pytest.mark.parametrize("arguments", [("customers", "list"), ("check", "books_balance"), ("report", "revenue")])
def test_postgresql_away_is_one_line(perennial: Cli, arguments: tuple[str, ...]) -> None:
    away = {"PERENNIAL_DATABASE_URL": "postgresql://postgres@127.0.0.1:1/none"}
    said = perennial(*arguments, env=away)
    assert (said.code, said.err) == (1, "engine_unavailable: PostgreSQL is away\n")


def test_a_database_without_tables_is_one_line(perennial: Cli, live_stack: Stack) -> None:
    url = make_url(live_stack.database_url).set(database="template1").render_as_string(hide_password=False)
    said = perennial("customers", "list", env={"PERENNIAL_DATABASE_URL": url})
    assert (said.code, said.err) == (1, "the database is not up to date: run `perennial migrate`\n")


def test_every_command_has_help(cli: Cli) -> None:
    for name in ("customers", "plans", "subscriptions", "invoices", "payments", "gifts", "clocks", "messages"):
        said = cli(name, "--help")
        assert said.code == 0
        assert f"perennial {name}" in said.out
    for name in ("bill", "report", "check", "support", "timeline"):
        assert cli(name, "--help").code == 0
