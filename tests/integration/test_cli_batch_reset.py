"""`perennial support batch-reset`: shown, done, watched, listed, canceled."""

import time
from collections.abc import Callable
from typing import Any

from tests.integration.conftest import Cli

Subscribed = Callable[..., Any]


def test_what_is_well_is_left_alone(cli: Cli, subscribed: Subscribed) -> None:
    made = [subscribed()["id"] for _ in "ab"]
    query = f"WorkflowId IN {tuple(made)}"
    ends = time.monotonic() + 30
    while len((shown := cli("support", "batch-reset", "--query", query, "--json").json)["data"]) < 2:
        assert time.monotonic() < ends, shown
        time.sleep(0.2)
    assert shown["status"] == "looked"
    assert sorted(item["subscription"] for item in shown["data"]) == sorted(made)
    assert {item["outcome"] for item in shown["data"]} == {"nothing_to_do"}
    nothing = cli("support", "batch-reset", shown["id"], "--yes", "--reason", "ticket 4711")
    assert (nothing.code, nothing.err) == (1, "conflict: none of them would be reset\n")
    again = cli("support", "batch-reset", shown["id"])
    assert "2 nothing to do" in again.out
    assert f"{shown['id']}: 2 subscriptions" in again.err
    done = cli("support", "batch-reset", "--query", query, "--yes", "--reason", "ticket 4711", "--json").json
    assert (done["status"], done["counts"]["nothing_to_do"], done["reason"]) == ("completed", 2, "ticket 4711")
    listed = cli("support", "batch-resets", "--json").json["data"]
    assert [row["id"] for row in listed][:2] == [done["id"], shown["id"]]
    assert cli("support", "cancel-batch-reset", shown["id"], "--reason", "enough").out.startswith(
        f"Batch {shown['id']}"
    )
    over = cli("support", "cancel-batch-reset", done["id"], "--reason", "enough")
    assert (over.code, over.err) == (1, "conflict: the batch is completed\n")
    actions = cli("support", "actions", "--subject", done["id"], "--json").json["data"]
    assert [row["action"] for row in actions] == ["cancel_batch_reset", "batch_reset"]


def test_what_makes_no_sense_is_refused(cli: Cli) -> None:
    assert cli("support", "batch-reset").code == 2
    assert cli("support", "batch-reset", "--build", "1", "--query", "x").code == 2
    assert cli("support", "batch-reset", "--build", "1", "--yes").code == 2
    said = cli("support", "batch-reset", "--query", "Nonsense ===")
    assert said.code == 2
    assert "Temporal does not understand it" in said.err
    assert cli("support", "batch-reset", "brs_none").code == 2
    none = cli("support", "batch-reset", "--build", "of nobody")
    assert (none.code, "none was found" in none.out) == (0, True)
