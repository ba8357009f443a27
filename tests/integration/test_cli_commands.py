"""Every command of a subscription through the command line, on the real stack."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Cli

Subscribed = Callable[..., Any]


@pytest.fixture
def clock(cli: Cli) -> str:
    return str(cli("clocks", "create", "test", "--now", "2026-01-31T10:00:00Z", "--json").json["id"])


def command(cli: Cli, name: str, subscription: Any, *more: str) -> Any:
    said = cli("subscriptions", name, subscription["id"], *more, "--json")
    assert said.code == 0, said.err
    return said.json


def test_a_subscription_begins_and_is_shown(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed("team-monthly", "--quantity", "3", "--currency", "eur")

    assert (made["status"], made["plan"], made["quantity"], made["currency"]) == ("active", "team-monthly", 3, "EUR")
    shown = cli("subscriptions", "show", made["id"]).out
    for word in (made["id"], "active", "team-monthly (version 1) x 3, EUR", "renewal", "INV-", "EUR 35.70", "paid"):
        assert word in shown
    listed = cli("subscriptions", "list", "--customer", made["customer_id"], "--json").json
    assert [row["id"] for row in listed["data"]] == [made["id"]]
    assert listed["next"] is None
    assert "state" not in listed["data"][0]


def test_pause_and_resume(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    assert command(cli, "pause", made, "--until", "2031-01-01")["resume_at"] == "2031-01-01T00:00:00Z"
    resumed = command(cli, "resume", made)
    assert resumed["status"] == "active"
    assert command(cli, "pause", made, "--when", "period_end")["pause_at"] == resumed["period_end"]
    assert command(cli, "resume", made)["pause_at"] is None


def test_a_change_costs_what_its_preview_said(cli: Cli, subscribed: Subscribed, clock: str) -> None:
    made = subscribed("basic-monthly", "--clock", clock)
    assert cli("clocks", "advance", clock, "--by", "10d").code == 0
    preview = cli("subscriptions", "preview-change", made["id"], "--plan", "premium-monthly", "--json").json
    assert preview["amount_due"] > 2_000

    changed = command(cli, "change-plan", made, "premium-monthly")

    assert changed["plan"] == "premium-monthly"
    invoice = cli("subscriptions", "show", made["id"], "--json").json["invoices"][0]
    assert (invoice["reason"], invoice["amount_due"]) == ("plan_change", preview["amount_due"])
    words = cli("subscriptions", "preview-change", made["id"], "--quantity", "2").out
    assert "Charged now" in words
    assert "Remaining time on Premium" in words


def test_changes_that_wait_for_the_end_of_the_period(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed("team-monthly", "--quantity", "2")
    later = command(cli, "change-quantity", made, "5", "--when", "period_end")
    assert (later["quantity"], later["scheduled_quantity"]) == (2, 5)
    assert command(cli, "change-quantity", made, "4", "--proration", "none")["quantity"] == 4


def test_cancel_undo_and_reactivate(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    assert command(cli, "cancel", made)["cancel_at"] == made["period_end"]
    assert command(cli, "undo-cancel", made)["cancel_at"] is None
    ended = command(cli, "cancel", made, "--when", "now", "--reason", "moved", "--refund", "full")
    assert (ended["status"], ended["end_reason"]) == ("canceled", "moved")
    assert command(cli, "reactivate", made)["status"] == "active"


def test_the_other_commands(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    assert command(cli, "skip-next", made)["skip_next"] is True
    assert command(cli, "gift", made, "--periods", "2")["prepaid_periods"] == 2
    card = cli("customers", "add-card", made["customer_id"], "pm_card_mastercard", "--json").json
    assert command(cli, "set-payment-method", made, card["id"])["payment_method_id"] == card["id"]
    trial = subscribed("trial-monthly", card=None)
    longer = command(cli, "extend-trial", trial, "--until", "2031-01-01T12:00:00+02:00")
    assert longer["trial_end"] == "2031-01-01T10:00:00Z"


def test_a_named_request_has_one_answer(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed("team-monthly", "--request-id", "cli-create-1")
    again = cli(
        "subscriptions", "create", made["customer_id"], "team-monthly", "--request-id", "cli-create-1", "--json"
    )
    assert again.json["id"] == made["id"]
    first = command(cli, "cancel", made, "--request-id", "cli-cancel-1")
    assert command(cli, "cancel", made, "--request-id", "cli-cancel-1")["cancel_at"] == first["cancel_at"]


def test_what_the_state_does_not_allow_is_refused_in_a_line(cli: Cli, subscribed: Subscribed) -> None:
    made = subscribed()
    said = cli("subscriptions", "resume", made["id"])
    assert (said.code, said.out) == (1, "")
    assert said.err == "not_paused: the subscription is active, not paused\n"
    said = cli("subscriptions", "create", made["customer_id"], "basic-monthly")
    assert said.code == 1
    assert said.err.startswith("already_subscribed: ")
    assert cli("subscriptions", "retry-payment", made["id"]).err == "nothing_to_pay: no invoice is open\n"
    assert cli("subscriptions", "change-plan", made["id"], "basic-monthly").err.startswith("same_plan: ")


def test_a_preview_of_a_new_one_keeps_nothing(cli: Cli, newcomer: Callable[..., str]) -> None:
    customer = newcomer()
    preview = cli("subscriptions", "create", customer, "standard-monthly", "--preview", "--json").json
    assert (preview["amount_due"], preview["currency"]) == (1_900, "USD")
    assert cli("subscriptions", "list", "--customer", customer, "--json").json["data"] == []


def test_a_year_passes_on_a_clock(cli: Cli, subscribed: Subscribed, clock: str) -> None:
    made = subscribed("basic-monthly", "--clock", clock)
    said = cli("clocks", "advance", clock, "--by", "1y", "--json")
    assert said.json["now"] == "2027-01-31T10:00:00Z"
    invoices = cli("invoices", "list", "--subscription", made["id"], "--json").json["data"]
    assert len(invoices) == 13
    assert {row["status"] for row in invoices} == {"paid"}
    assert cli("clocks", "show", clock).out.count("2027-01-31 10:00") == 1
    assert clock in cli("clocks", "list").out
    back = cli("clocks", "advance", clock, "--to", "2026-06-01")
    assert (back.code, back.err.partition(":")[0]) == (1, "clock_backwards")


def test_a_gift_from_hand_to_hand(cli: Cli, newcomer: Callable[..., str]) -> None:
    giver, recipient = newcomer(), newcomer(None)
    bought = cli(
        *("gifts", "buy", giver, "standard-monthly", "--periods", "3"),
        *("--recipient-email", "grace@example.com", "--recipient-name", "Grace", "--json"),
    ).json
    assert bought["status"] == "delivered"
    claimed = cli("gifts", "claim", bought["claim_code"], recipient, "--json").json
    assert (claimed["status"], claimed["recipient_id"]) == ("claimed", recipient)
    view = cli("subscriptions", "show", claimed["subscription_id"], "--json").json["subscription"]
    assert (view["status"], view["prepaid_periods"], view["gift_id"]) == ("active", 2, bought["id"])
    twice = cli("gifts", "claim", bought["claim_code"], newcomer(None))
    assert (twice.code, twice.err) == (1, "gift_not_claimable: the gift has been claimed already\n")
    assert cli("gifts", "cancel", bought["id"]).err.startswith("gift_not_cancelable: ")
    assert bought["id"] in cli("gifts", "list", "--giver", giver).out
    assert bought["claim_code"] in cli("gifts", "show", bought["id"]).out


def test_a_coupon_counts_from_the_next_period_on(cli: Cli, subscribed: Subscribed, clock: str) -> None:
    if cli("coupons", "show", "CLI-HALF").code:
        assert cli("coupons", "create", "CLI-HALF", "--percent-off", "50", "--periods", "1").out == (
            "CLI-HALF: 50 % off, 1 periods\n"
        )
        assert cli("coupons", "create", "CLI-FIVE", "--amount-off", "500", "--currency", "eur").out == (
            "CLI-FIVE: EUR 5.00 off, for ever\n"
        )
    assert cli("coupons", "create", "CLI-HALF", "--percent-off", "10").err.startswith("conflict: ")
    assert "CLI-HALF" in cli("coupons", "list").out
    made = subscribed("basic-monthly", "--clock", clock)
    wrong = cli("subscriptions", "apply-coupon", made["id"], "CLI-FIVE")
    assert (wrong.code, wrong.err) == (2, "invalid_input: coupon 'CLI-FIVE' is in EUR (coupon)\n")
    assert cli("subscriptions", "apply-coupon", made["id"], "NONE").err == "not_found: no coupon 'NONE'\n"

    assert command(cli, "apply-coupon", made, "CLI-HALF")["coupons"] == ["CLI-HALF"]

    cli("clocks", "advance", clock, "--by", "2mo")
    invoices = cli("invoices", "list", "--subscription", made["id"], "--json").json["data"]
    assert [invoice["total"] for invoice in invoices] == [900, 450, 900]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("X",), "a coupon takes a percentage or an amount off"),
        (("X", "--percent-off", "half"), "'half' is no percentage"),
        (("X", "--percent-off", "101"), "must be above 0 and at most 100"),
        (("X", "--amount-off", "5", "--currency", "EURO"), "unknown_currency"),
        (("X", "--percent-off", "5", "--currency", "EUR"), "--currency goes with --amount-off"),
        (("X Y", "--percent-off", "5"), "code: letters"),
    ],
)
def test_a_coupon_that_makes_no_sense_is_refused(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    said = cli("coupons", "create", *arguments)
    assert said.code == 2
    assert words in said.err


def test_why_somebody_leaves_is_a_code(cli: Cli, subscribed: Subscribed) -> None:
    """It is kept in the workflow's history, where nobody is named."""
    made = subscribed()
    prose = cli("subscriptions", "cancel", made["id"], "--reason", "Ada has moved away")
    assert (prose.code, prose.out) == (2, "")
    assert prose.err.startswith("--reason: 'Ada has moved away' is no code")
    assert command(cli, "cancel", made, "--reason", "too_expensive", "--when", "now")["end_reason"] == "too_expensive"
