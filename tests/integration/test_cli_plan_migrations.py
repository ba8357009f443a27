"""`perennial plans migrate`: what it would cost, and then just that."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.conftest import Cli


def test_everybody_to_the_new_version_from_a_file(cli: Cli, newcomer: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan: dict[str, Any] = {
        "code": "cli-moves",
        "name": "Moves",
        "interval": {"unit": "month"},
        "prices": {"KWD": {"type": "per_unit", "unit_price": "3.500"}},
        "fees": [{"code": "setup", "name": "Setup", "amounts": {"KWD": "1.000"}}],
    }
    file.write_text(json.dumps(plan))
    said = cli("plans", "create", "--from", str(file))
    assert said.out == "cli-moves version 1: KWD 3.500 each every month\n", said.err
    made = [
        cli("subscriptions", "create", newcomer(), "cli-moves", "--currency", "KWD", "--json").json["id"] for _ in "ab"
    ]
    assert cli("subscriptions", "pause", made[1]).code == 0
    assert cli("plans", "migrate", "cli-moves").code == 2
    file.write_text(json.dumps(plan | {"prices": {"KWD": {"type": "per_unit", "unit_price": "4.250"}}}))
    cli("plans", "create", str(file))
    assert "once: setup" in cli("plans", "show", "cli-moves").out

    shown = cli("plans", "migrate", "cli-moves", "--preview").out
    assert "KWD 3.500" in shown
    assert "already_paused" in shown
    told = cli("plans", "migrate", "cli-moves", "--preview", "--json").json
    assert [(total["refused"], total["new_amount"]) for total in told["totals"]] == [(1, 4250)]
    begun = cli("plans", "migrate", "cli-moves", "--effective-at", told["effective_at"], "--json").json
    assert begun["effective_at"] == told["effective_at"]
    ends = time.monotonic() + 30
    while (now := cli("plans", "migration", begun["id"], "--json").json)["status"] == "running":
        assert time.monotonic() < ends, now
        time.sleep(0.1)
    assert {name: count for name, count in now["counts"].items() if count} == {"scheduled": 1, "refused": 1}
    assert "1 scheduled, 1 refused" in cli("plans", "migration", begun["id"]).out
    refused = cli("plans", "migration", begun["id"], "--items", "refused", "--json").json["data"]
    assert [(item["subscription_id"], item["code"]) for item in refused] == [(made[1], "already_paused")]
    assert [row["id"] for row in cli("plans", "migrations", "--plan", "cli-moves", "--json").json["data"]] == [
        begun["id"]
    ]
    late = cli("plans", "cancel-migration", begun["id"])
    assert (late.code, late.err) == (1, "conflict: the migration is completed\n")
    assert cli("plans", "migration", "mig_nope").code == 2
    assert cli("support", "retry", begun["id"], "--reason", "asked").out == f"{begun['id']}: nothing fails\n"


def test_what_is_wrong_in_a_file_is_named(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    tiers = [{"up_to": 10, "unit_price": "1"}]
    parts = {"addons": [{"code": "a", "name": "A", "prices": {"USD": {"type": "volume", "tiers": tiers}}}]}
    file.write_text(
        json.dumps(
            {
                "code": "x",
                "name": "X",
                "interval": {"unit": "month"},
                "prices": {"USD": {"type": "flat", "amount": "1"}},
            }
            | parts
        )
    )
    said = cli("plans", "create", "--from", str(file))
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith("(addons[0].prices.USD.tiers[0].up_to)\n")
    assert cli("plans", "create", str(file), "--from", str(file)).code == 2
