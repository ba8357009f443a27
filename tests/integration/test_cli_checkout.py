"""Checkout sessions on the command line."""

from collections.abc import Callable

from tests.integration.conftest import Cli


def test_a_session_is_made_listed_and_closed(cli: Cli, newcomer: Callable[..., str]) -> None:
    customer = newcomer(None)
    asked = ("checkout", "create", "--customer", customer, "--plan", "basic-monthly", "--request-id", "req_1")
    made = cli(*asked, "--json").json
    assert cli(*asked, "--json").json["url"] == made["url"]
    assert made["url"].startswith("http://")
    assert not {"secret_hash", "setup_ref", "terms"} & set(made)
    assert "?key=" in cli("checkout", "show", made["id"]).out
    [listed] = cli("checkout", "list", "--customer", customer, "--json").json["data"]
    assert listed == made
    assert "subscription" in cli("checkout", "list", "--status", "open").out
    expired = cli("checkout", "expire", made["id"], "--json").json
    assert (expired["status"], expired["url"]) == ("expired", None)


def test_what_makes_no_sense_is_unusable(cli: Cli, newcomer: Callable[..., str]) -> None:
    customer = newcomer(None)
    for wrong in (
        (),
        ("--customer", customer, "--invoice", "inv_1"),
        ("--invoice", "inv_1", "--plan", "basic-monthly"),
        ("--customer", customer, "--success-url", "javascript:alert(1)"),
        ("--customer", customer, "--expires-in", "1"),
        ("--customer", customer, "--plan", "no-such-plan"),
        ("--customer", "cus_nobody"),
    ):
        assert cli("checkout", "create", *wrong).code == 2, wrong
    assert cli("checkout", "show", "cs_nobody").err == "not_found: no checkout session 'cs_nobody'\n"
