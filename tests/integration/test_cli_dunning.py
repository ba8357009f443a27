"""`perennial dunning`: policies, whose they are, and the cases that run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Cli

DEAD = "pm_card_declines_charges_2_to_99"


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., str]:
    def write(**fields: Any) -> str:
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(fields))
        return str(file)

    return write


def test_a_policy_and_its_versions(cli: Cli, policy: Callable[..., str]) -> None:
    said = cli("dunning", "create", "gentle", policy(retry_offsets_days=[3, 9], final_action="pause", retry_hour=9))
    assert said.code == 0, said.err
    assert "gentle, version 1" in said.out
    assert "after 3, 9 days" in said.out
    made = cli("dunning", "create", "gentle", policy(retry_offsets_days=[4]), "--json").json
    assert (made["code"], made["version"], made["retry_offsets_days"], made["groups"]) == ("gentle", 2, [4], [])
    assert [row["version"] for row in cli("dunning", "list", "--code", "gentle", "--json").json["data"]] == [2, 1]
    assert cli("dunning", "show", "gentle", "--version", "1", "--json").json["final_action"] == "pause"
    assert cli("dunning", "assign", "gentle", "--group", "vip", "--json").json["groups"] == ["vip"]
    assert "vip" in cli("dunning", "show", "gentle").out
    assert cli("dunning", "unassign", "gentle", "--group", "vip", "--json").json["groups"] == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"retries": [1]}, "retries: is no field of a dunning policy"),
        ({"retry_offsets_days": [3, 1]}, "retry offsets must rise"),
        ({"final_action": "nothing"}, "final_action: "),
        (
            {"notices": [{"message": "payment_failed", "channels": ["sms"]}]},
            "no channel is called 'sms'; there is email (notices)",
        ),
    ],
)
def test_what_is_no_policy_is_said_in_a_line(
    cli: Cli, policy: Callable[..., str], fields: dict[str, Any], words: str
) -> None:
    said = cli("dunning", "create", "x", policy(**fields))
    assert (said.code, said.out) == (2, "")
    assert words in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "x", "/no/such/file"), "No such file or directory"),
        (("show", "nothing"), "no dunning policy 'nothing'"),
        (("assign", "nothing", "--group", "g"), "no dunning policy 'nothing'"),
        (("apply", "nothing"), "--running, --group or --subscription"),
        (("apply", "nothing", "--running"), "no dunning policy 'nothing'"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    said = cli("dunning", *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_running_cases_are_changed(
    cli: Cli, newcomer: Callable[..., str], policy: Callable[..., str], tmp_path: Path
) -> None:
    """Declined on 1 May; the next version is applied to the case, twice, and the subscription then gets its own."""
    cli("dunning", "create", "strict", policy(retry_offsets_days=[2]))
    plan = {
        "code": "cli-dunned",
        "name": "Dunned",
        "interval": {"unit": "month"},
        "prices": {"USD": {"type": "flat", "amount": "9.00"}},
        "dunning_policy": "strict",
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    made = cli("plans", "create", str(tmp_path / "plan.json"))
    assert made.code == 0, made.err
    clock = cli("clocks", "create", "dunning", "--now", "2026-04-01T09:00Z", "--json").json["id"]
    sub = cli("subscriptions", "create", newcomer(DEAD), "cli-dunned", "--clock", clock, "--json").json["id"]
    assert cli("clocks", "advance", clock, "--by", "31d").code == 0
    assert cli("subscriptions", "show", sub, "--json").json["subscription"]["dunning_policy"] == "strict@1"
    cli("dunning", "create", "strict", policy(retry_offsets_days=[5]))
    said = cli("dunning", "apply", "strict", "--version", "2", "--running")
    assert said.code == 0, said.err
    assert sub in said.out
    again = cli("dunning", "apply", "strict", "--version", "2", "--running", "--json").json
    assert (again["policy"], again["applied"], again["refused"]) == ("strict@2", [], [])
    back = cli("dunning", "apply", "strict", "--version", "1", "--subscription", sub, "--json")
    assert back.json["dunning_policy"] == "strict@1"
    own = cli("subscriptions", "set-dunning", sub, "--code", "strict", "--version", "2", "--json")
    assert own.json["dunning_policy"] == "strict@2"
    assert cli("subscriptions", "set-dunning", sub, policy(), "--code", "strict").code == 2
    assert (
        cli("subscriptions", "set-dunning", sub, policy(retry_offsets_days=[6]), "--json").json["dunning_policy"]
        is None
    )


def test_declines_have_their_sources(cli: Cli) -> None:
    told = {row["code"]: row for row in cli("dunning", "declines", "--json").json["data"]}
    assert told["stolen_card"]["kind"] == "hard"
    assert not told["stolen_card"]["disclosed"]
    assert all(row["source"] for row in told.values())
