"""Meters and usage on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.conftest import Cli, Said


@pytest.fixture
def sold(cli: Cli, tmp_path: Path) -> tuple[str, str]:
    """A meter that sums `gb` of events called like itself, and a plan that charges what is beyond 10."""
    code = f"gb_{uuid4().hex[:8]}"
    made = cli("meters", "create", code, "--event", code, "--aggregation", "sum", "--property", "gb", "--json")
    assert made.json["aggregation"] == "sum"
    plan = {
        "code": f"plan-{code.replace('_', '-')}",
        "name": "Traffic",
        "interval": {"unit": "month"},
        "prices": {"USD": {"type": "flat", "amount": "10.00"}},
        "charges": [
            {
                "code": "traffic",
                "name": "Traffic",
                "meter": code,
                "prices": {"USD": {"type": "per_unit", "unit_price": "0.50", "free_units": "10"}},
            }
        ],
        "entitlements": [{"feature": "traffic", "kind": "limit", "limit": 100, "meter": code}],
    }
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    assert cli("plans", "create", str(file)).code == 0
    return code, str(plan["code"])


def test_usage_is_sent_seen_and_limited(
    cli: Cli, subscribed: Callable[..., Any], sold: tuple[str, str], tmp_path: Path
) -> None:
    meter, plan = sold
    clock = cli("clocks", "create", "usage", "--now", "2026-01-31T10:00:00Z", "--json").json["id"]
    made = subscribed(plan, "--clock", clock)
    customer, sub = made["customer_id"], made["id"]
    moved = cli("clocks", "advance", clock, "--to", "2026-02-10")
    assert moved.code == 0, moved.err
    # Where its test clock stands, as nothing else is said.
    one = ("usage", "send", customer, meter, "--property", "gb=12.5", "--subscription", sub, "--id", f"{sub}:1")
    assert cli(*one) == Said(0, "1 new, 0 sent before, 0 of no subscription\n", "")
    assert cli(*one, "--json").json == {"accepted": 0, "duplicates": 1, "unattributed": 0}

    events = [
        {"id": f"{sub}:{n}", "customer_id": customer, "name": meter, "at": f"2026-02-0{n}", "properties": {"gb": n}}
        for n in range(1, 6)
    ]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(event) for event in events) + "\n\n")
    assert cli("usage", "send", "--from", str(file)).out == "4 new, 1 sent before, 0 of no subscription\n"

    [charge] = cli("usage", "show", sub, "--json").json["charges"]
    assert (charge["quantity"], charge["amount"], charge["currency"]) == ("26.5", 825, "USD")
    assert "USD 8.25" in cli("usage", "show", sub).out
    listed = cli("usage", "list", sub, "--limit", "1", "--json").json
    assert (listed["data"][0]["properties"], bool(listed["next"])) == ({"gb": "12.5"}, True)
    assert "gb=12.5" in cli("usage", "list", sub).out
    [limit] = cli("usage", "entitlements", customer, "--json").json["data"]
    assert (limit["allowed"], limit["used"], limit["remaining"]) == (True, "26.5", "73.5")
    assert "73.5" in cli("usage", "entitlements", customer).out

    cli("clocks", "advance", clock, "--to", "2026-03-01")
    late = ("--at", "2026-02-11", "--property", "gb=2", "--subscription", sub)
    assert cli("usage", "send", customer, meter, *late).code == 2, "an option that there is not"
    late = ("--when", *late[1:])
    assert cli("usage", "send", customer, meter, *late).code == 0
    [waiting] = cli("usage", "show", sub, "--json").json["late"]
    assert (waiting["quantity"], waiting["amount"]) == ("2", 100)
    assert "Came late" in cli("usage", "show", sub).out


def test_meters_are_made_and_archived(cli: Cli) -> None:
    code = f"calls_{uuid4().hex[:8]}"
    conditions = ("--filter", "status!=500", "--filter", "region=eu,us", "--filter", "size>=10", "--filter", "paid")
    made = cli("meters", "create", code, "--event", "call", *conditions, "--json").json
    assert [(part["property"], part["comparison"], part["values"]) for part in made["filters"]] == [
        ("status", "ne", ["500"]),
        ("region", "in", ["eu", "us"]),
        ("size", "gte", ["10"]),
        ("paid", "exists", []),
    ]
    assert "status!=500 region=eu,us size>=10 paid" in " ".join(cli("meters", "show", code).out.split())
    assert code in cli("meters", "list").out
    assert cli("meters", "archive", code, "--json").json["archived_at"]
    other = cli("meters", "create", code, "--event", "call")
    assert (other.code, other.err.partition(":")[0]) == (1, "conflict")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense", "line 1: is no JSON"),
        ("[]", "line 1: an event is"),
        ('{"id": "e"}', "line 1: an event is"),
        ('{"id": 1, "customer_id": "c", "name": "n", "at": "2026-01-01"}', "line 1: ids, name and time are texts"),
        ('{"id": "e", "customer_id": "c", "name": "n", "at": "soon"}', "is no instant"),
        ('{"id": "e", "customer_id": "c", "name": "n", "at": "2026-01-01"}', "there is no customer 'c'"),
    ],
    ids=["no JSON", "no object", "a field missing", "a number for an id", "a time that is none", "nobody"],
)
def test_a_line_that_is_no_event_is_named(cli: Cli, tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(line)
    said = cli("usage", "send", "--from", str(file))
    assert (said.code, told in said.err, said.out) == (2, True, ""), said.err


def test_what_makes_no_sense_is_refused(cli: Cli, tmp_path: Path) -> None:
    assert cli("usage", "send").code == 2
    assert cli("usage", "send", "cus_1", "call", "--property", "gb").code == 2
    assert cli("usage", "send", "--from", str(tmp_path / "none")).code == 2
    assert cli("usage", "show", "sub_none").err == "not_found: no subscription 'sub_none'\n"
    assert cli("usage", "entitlements", "cus_none").err == "not_found: no customer 'cus_none'\n"
    assert cli("meters", "create", "m", "--event", "e", "--aggregation", "sum").code == 2
    assert cli("meters", "create", "m", "--event", "e", "--filter", "=").code == 2
    assert cli("meters", "create", "m", "--event", "e", "--filter", "size>big").code == 2
