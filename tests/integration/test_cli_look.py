"""Looking around with the command line: lists, records, messages, reports, checks, stories."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perennial.checks import CHECKS
from perennial.reports.registry import REPORTS
from tests.integration.conftest import Cli

Subscribed = Callable[..., Any]


def test_customers(cli: Cli, newcomer: Callable[..., str]) -> None:
    customer = newcomer()
    found = cli("customers", "show", customer, "--json").json
    assert found["customer"]["email"] == "ada@example.com"
    assert [method["last4"] for method in found["payment_methods"]] == ["4242"]
    assert "token" not in found["payment_methods"][0]
    added = cli("customers", "add-card", customer, "pm_card_amex", "--no-default")
    assert added.out.endswith("amex 0005\n")
    shown = cli("customers", "show", customer).out
    assert "visa 4242" in shown
    assert "amex 0005" in shown


def test_lists_come_in_pages(cli: Cli, newcomer: Callable[..., str]) -> None:
    made = [newcomer() for _ in range(3)]
    first = cli("customers", "list", "--limit", "2", "--json").json
    second = cli("customers", "list", "--limit", "2", "--after", first["next"], "--json").json
    assert [row["id"] for row in first["data"] + second["data"]][:3] == made[::-1]
    assert "More: --after " in cli("customers", "list", "--limit", "2").err
    assert cli("customers", "list", "--email", "nobody@example.com").out.strip() == "Customers: none"


def test_plans_from_options_and_from_a_file(cli: Cli, tmp_path: Path) -> None:
    said = cli("plans", "create", "--code", "cli-pro", "--name", "Pro", "--price", "usd=29.00", "--price", "JPY=4000")
    assert said.out == "cli-pro version 1: JPY 4000, USD 29.00 every month\n"
    plan = {
        "code": "cli-pro",
        "name": "Pro",
        "interval": {"unit": "month", "count": 3},
        "prices": {"EUR": {"type": "per_unit", "unit_price": "12.5"}},
        "trial_days": 7,
        "dunning": {"retry_offsets_days": [2, 5]},
    }
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    row = cli("plans", "create", str(file), "--json").json
    assert (row["version"], row["interval_count"]) == (2, 3)
    assert row["dunning"] == {
        "retry_offsets_days": [2, 5],
        "grace_days": 14,
        "final_action": "cancel",
        "on_hard_decline": "stop",
        "retry_hour": None,
        "prefer_paydays": False,
        "notices": [],
        "code": None,
        "version": None,
    }
    versions = cli("plans", "show", "cli-pro", "--json").json["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    assert "EUR 12.5 each" in cli("plans", "show", "cli-pro").out
    newest = {plan["code"]: plan for plan in cli("plans", "list", "--json").json["data"]}
    assert newest["cli-pro"]["version"] == 2
    assert cli("plans", "archive", "cli-pro").out == "cli-pro takes no new subscribers.\n"
    assert "cli-pro" not in cli("plans", "list").out
    assert "cli-pro" in cli("plans", "list", "--archived").out
    cli("plans", "seed")
    assert cli("plans", "seed").out == "The demo catalogue is complete.\n"


def test_disputes(cli: Cli, subscribed: Subscribed) -> None:
    """Nobody hears the simulator's news here, so none is made: the books would rightly not agree."""
    made = subscribed()
    (payment,) = cli("payments", "list", "--customer", made["customer_id"], "--json").json["data"]
    undecided = cli("payments", "dispute", payment["id"], "--outcome", "won")
    assert (undecided.code, undecided.err.partition(":")[0]) == (1, "gateway_refused")
    assert cli("payments", "disputes", "--customer", made["customer_id"], "--json").json == {"data": [], "next": None}
    assert cli("payments", "disputes", "--status", "open").out.strip() == "Disputes: none"
    assert cli("payments", "disputes", "--status", "refunded").code == 2


def test_invoices_and_payments(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    (invoice,) = cli("invoices", "list", "--customer", made["customer_id"], "--status", "paid", "--json").json["data"]
    whole = cli("invoices", "show", invoice["id"], "--json").json
    assert [line["amount"] for line in whole["lines"]] == [900]
    assert whole["payments"][0]["status"] == "succeeded"
    by_number = cli("invoices", "show", invoice["number"]).out
    assert invoice["id"] in by_number
    assert "USD 9.00" in by_number
    (payment,) = cli("payments", "list", "--invoice", invoice["id"], "--json").json["data"]
    assert payment["id"] in cli("payments", "list", "--customer", made["customer_id"]).out
    cli("subscriptions", "cancel", made["id"], "--when", "now", "--refund", "full")
    assert [refund["amount"] for refund in cli("payments", "show", payment["id"], "--json").json["refunds"]] == [900]
    assert "Refunds" in cli("payments", "show", payment["id"]).out
    assert "Credit notes" in cli("invoices", "show", invoice["id"]).out


def test_messages(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    deadline = time.monotonic() + 20
    receipts: list[Any] = []
    while not receipts and time.monotonic() < deadline:
        listed = cli("messages", "list", "--customer", made["customer_id"], "--kind", "receipt", "--json")
        receipts = listed.json["data"]
    shown = cli("messages", "show", f"msg_{receipts[0]['id']}")
    assert "9.00" in shown.out
    assert "ada@example.com" in shown.out
    assert cli("messages", "list", "--waiting", "--customer", made["customer_id"]).code == 0


def test_a_story(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    entries = cli("timeline", made["id"], "--json").json["data"]
    kinds = [entry["kind"] for entry in entries]
    assert kinds[:4] == ["created", "period_began", "invoice_issued", "payment_attempt"]
    # Support is told what is to come as well.
    told_to_support = cli("support", "timeline", made["id"], "--json").json["data"]
    assert [entry["kind"] for entry in told_to_support][: len(kinds)] == kinds
    assert told_to_support[-1]["kind"] == "renewal"


def test_reports(cli: Cli, subscribed: Subscribed) -> None:
    def invoiced() -> int:
        revenue = cli("report", "revenue", "--currency", "KWD", "--json").json
        assert revenue["report"] == "revenue"
        return sum(row["invoiced"] for row in revenue["rows"])

    before = invoiced()
    subscribed("box-weekly", "--currency", "KWD")
    assert invoiced() == before + 4_300
    assert f"KWD {before // 1_000 + 4}.{before % 1_000 + 300:03}" in cli("report", "revenue").out
    active = cli("report", "active-subscriptions", "--as-of", "2026-01-01T00:00:00Z", "--json").json
    assert active["rows"] == []
    assert active["parameters"]["as_of"] == "2026-01-01T00:00:00Z"
    assert [row["name"] for row in cli("report", "--list", "--json").json["data"]] == [each.name for each in REPORTS]


def test_checks(cli: Cli, subscribed: Subscribed) -> None:
    subscribed()
    said = cli("check", "--json")
    assert said.code == 0, said.out
    assert said.json["ok"] is True
    assert [result["name"] for result in said.json["checks"]] == [check.name for check in CHECKS]
    table = cli("check", "books_balance", "spans_tile").out
    assert table.count("ok ") == 2
    assert "rows_match_workflows" in cli("check", "--list").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("customers", "show", "cus_none"),
        ("customers", "add-card", "cus_none", "pm_card_visa"),
        ("plans", "show", "none"),
        ("plans", "archive", "none"),
        ("subscriptions", "show", "sub_none"),
        ("subscriptions", "pause", "sub_none"),
        ("subscriptions", "preview-change", "sub_none", "--quantity", "2"),
        ("subscriptions", "create", "cus_none", "basic-monthly"),
        ("invoices", "show", "inv_none"),
        ("payments", "show", "pay_none"),
        ("payments", "dispute", "pay_none"),
        ("gifts", "show", "gift_none"),
        ("gifts", "cancel", "gift_none"),
        ("gifts", "claim", "AAAA-BBBB-CCCC", "cus_none"),
        ("clocks", "show", "clk_none"),
        ("clocks", "advance", "clk_none", "--by", "1d"),
        ("messages", "show", "msg_999999999999"),
        ("messages", "show", "msg_x"),
        ("bill", "cus_none"),
        ("timeline", "sub_none"),
        ("support", "timeline", "sub_none"),
        ("support", "retry", "sub_none", "--reason", "asked"),
        ("support", "rebuild", "sub_none", "--reason", "asked"),
        ("support", "park", "sub_none", "--reason", "asked"),
        ("support", "steps", "sub_none"),
        ("support", "reset", "sub_none", "--to", "1"),
        ("check", "nonsense"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(cli: Cli, arguments: tuple[str, ...]) -> None:
    said = cli(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("not_found: no ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("customers", "create", "--name", "A", "--email", "nowhere"), "--email: 'nowhere' is no address"),
        (("customers", "create", "--name", " ", "--email", "a@b.c"), "--name must not be empty"),
        (("customers", "create", "--name", "A", "--email", "a@b.c", "--timezone", "Mars/X"), "unknown_timezone"),
        (
            ("customers", "create", "--name", "A", "--email", "a@b.c", "--card", "4242424242424242"),
            "does not know this payment method (card)",
        ),
        (("customers", "list", "--after", "nonsense"), "invalid_input: is no cursor of ours (after)"),
        (("plans", "create"), "give either a JSON file or --code"),
        (("plans", "create", "--code", "x", "--price", "USD"), "--price: 'USD' is no price"),
        (("plans", "create", "--code", "x", "--price", "ABC=1"), "unknown_currency"),
        (("plans", "create", "--code", "x"), "a plan needs a price"),
        (("plans", "create", "--code", "X Y", "--price", "USD=1"), "code: lower-case"),
        (("plans", "create", "missing.json"), "missing.json: No such file or directory"),
        (("clocks", "create", "x", "--now", "someday"), "'someday' is no instant"),
        (("clocks", "advance", "clk", "--by", "1d", "--to", "2027-01-01"), "give either --by or --to"),
        (("report", "revenue", "--timezone", "Mars/X"), "unknown_timezone"),
        (("report", "revenue", "--as-of", "2026-01-01"), "needs a time zone"),
        (("report", "profit"), "No such command"),
        (("report",), "Usage"),
        (("subscriptions", "pause"), "Missing argument"),
        (("subscriptions", "cancel", "sub", "--refund", "half"), "'half' is not one of"),
        (("subscriptions", "change-quantity", "sub", "0"), "greater than or equal to 1"),
        (("subscriptions", "preview-change", "sub"), "give --plan, --quantity or both"),
        (("nonsense",), "No such command"),
    ],
)
def test_what_makes_no_sense_ends_with_two(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    said = cli(*arguments)
    assert said.code == 2
    assert words in said.err + said.out
    assert "Traceback" not in said.err


DAILY = '{"code": "p", "name": "P", "interval": {"unit": "day"}, "prices": {"USD": {"type": "flat", "amount": "1"}}, '


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "must hold one JSON object"),
        ('{"colour": "red"}', "colour: is no field of a plan"),
        ('{"code": "p"}', "name: field required"),
        ('{"code": "p", "name": "P", "interval": {"unit": "fortnight"}, "prices": {}}', "interval.unit: "),
        (
            '{"code": "p", "name": "P", "interval": {"unit": "day"}, "prices": {"USD": {"type": "flat"}}}',
            "invalid_price",
        ),
        (
            DAILY + '"trial_days": -1}',
            "a trial of -1 days",
        ),
        (
            DAILY + '"dunning": {"retry_offsets_days": [3, 1]}}',
            "retry offsets must rise",
        ),
        (
            DAILY + '"dunning": {"grace": 1}}',
            "dunning.grace: is no field",
        ),
    ],
)
def test_a_plan_that_is_malformed_is_refused(cli: Cli, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    said = cli("plans", "create", str(file))
    assert said.code == 2
    assert words in said.err
    assert said.err.count("\n") == 1
