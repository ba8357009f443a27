"""Credit and coupons on the command line."""

from collections.abc import Callable
from typing import Any

from tests.integration.conftest import Cli


def test_credit_is_granted_listed_and_expires(cli: Cli, subscribed: Callable[..., Any]) -> None:
    clock = cli("clocks", "create", "credit", "--now", "2026-01-31T10:00:00Z", "--json").json["id"]
    customer = subscribed("basic-monthly", "--clock", clock)["customer_id"]
    said = cli("credits", "grant", customer, "500", "--reason", "Sorry", "--expires-at", "2026-02-10")
    assert (said.code, said.out.split()[1:]) == (0, ["USD", "5.00"]), said.err
    once = ("credits", "grant", customer, "300", "--currency", "eur", "--reason", "Once", "--request-id", "req_1")
    assert cli(*once, "--json").json["id"] == cli(*once, "--json").json["id"]

    found = cli("credits", "balance", customer, "--json").json["currencies"]
    assert [(each["currency"], each["amount"]) for each in found] == [("EUR", 300), ("USD", 500)]
    assert "USD 5.00" in cli("credits", "balance", customer).out
    listed = cli("credits", "list", customer)
    assert "Sorry" in listed.out
    assert "2026-02-10 00:00" in listed.out

    assert cli("credits", "expire", "--clock", clock, "--json").json["data"] == []
    cli("clocks", "advance", clock, "--to", "2026-02-20")
    [ended] = cli("credits", "expire", "--clock", clock, "--json").json["data"]
    assert (ended["customer_id"], ended["amount"], ended["at"]) == (customer, 500, "2026-02-10T00:00:00Z")
    assert cli("check", "credit_equals_ledger").code == 0


def test_credit_that_makes_no_sense_is_refused(cli: Cli, newcomer: Callable[..., str]) -> None:
    customer = newcomer(None)
    assert cli("credits", "grant", customer, "0", "--reason", "x").code == 2
    past = cli("credits", "grant", customer, "5", "--reason", "x", "--expires-at", "2020-01-01")
    assert (past.code, "(expires_at)" in past.err) == (2, True)
    assert cli("credits", "list", "cus_nobody").err == "not_found: no customer 'cus_nobody'\n"


def test_a_coupon_for_few_and_for_a_while(cli: Cli, newcomer: Callable[..., str]) -> None:
    customer = newcomer()
    terms = ("--percent-off", "50", "--plan", "basic-monthly", "--max-redemptions", "1", "--expires-at", "2100-01-01")
    assert cli("coupons", "create", "CLI-ONE", *terms, "--combinable", "--first-time-only").code == 0
    made = cli("subscriptions", "create", customer, "basic-monthly", "--coupon", "CLI-ONE", "--json").json
    [redemption] = cli("coupons", "redemptions", "CLI-ONE", "--json").json["data"]
    assert (redemption["subscription_id"], redemption["customer_id"]) == (made["id"], customer)
    assert "1 of 1" in cli("coupons", "list").out
    late = cli("subscriptions", "create", newcomer(), "basic-monthly", "--coupon", "CLI-ONE")
    assert (late.code, late.err.partition(":")[0]) == (1, "coupon_exhausted")

    assert cli("coupons", "archive", "CLI-ONE").out == "CLI-ONE: 50 % off, for ever, archived\n"
    assert cli("coupons", "show", "CLI-ONE", "--json").json["archived_at"]
    assert cli("coupons", "create", "CLI-TWO", "--percent-off", "5", "--plan", "no-such").err.startswith("not_found")
    assert cli("coupons", "redemptions", "CLI-TWO").err == "not_found: no coupon 'CLI-TWO'\n"
