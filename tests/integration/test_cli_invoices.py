"""Drafts, invoices and credit notes through the command line, on the real stack."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Cli

Newcomer = Callable[..., str]


def did(cli: Cli, *arguments: str) -> Any:
    said = cli("invoices", *arguments, "--json")
    assert said.code == 0, said.err
    return said.json


def drafted(cli: Cli, customer: str, *options: str) -> str:
    return str(did(cli, "create", customer, *options)["id"])


def test_a_draft_is_written_issued_and_credited(cli: Cli, newcomer: Newcomer) -> None:
    draft = drafted(cli, newcomer(), "--memo", "Thank you!")
    did(cli, "add-line", draft, "Workshop", "--unit-price", "200.00", "--quantity", "1.5")
    made = did(cli, "add-line", draft, "Support", "--amount", "5000", "--start", "2026-02-01", "--to", "2027-02-01")
    assert (made["status"], made["total"], made["collect"]) == ("draft", 35_000, "charge")
    shown = cli("invoices", "show", draft).out
    assert "charged" in shown
    assert "USD 350.00" in shown
    assert draft in cli("invoices", "list", "--status", "draft").out

    issued = did(cli, "finalize", draft)

    assert (issued["id"], issued["status"], issued["memo"]) == (draft, "paid", "Thank you!")
    assert [line["kind"] for line in issued["lines"]] == ["one_off", "one_off"]
    number = issued["number"]
    preview = cli("invoices", "credit", number, "--line", "1:500", "--preview").out
    assert preview == "USD 5.00 (tax USD 0.00): USD 5.00 refunded, USD 0.00 to the balance\n"
    note = did(cli, "credit", number, "--line", "1:500", "--line", "0", "--to-balance", "--reason", "goodwill")
    assert (note["total"], note["credited"], note["reason"]) == (30_500, 30_500, "goodwill")
    rest = cli("invoices", "credit", number)
    assert rest.out.endswith("USD 45.00 (tax USD 0.00): USD 45.00 refunded, USD 0.00 to the balance\n")
    assert cli("invoices", "credit", number).err.startswith("nothing_to_credit: ")
    told = cli("timeline", draft).out
    assert "invoice finalised" in told
    assert "USD 350.00" in told


def test_a_sent_invoice_is_closed_by_people(cli: Cli, newcomer: Newcomer) -> None:
    for command, more, status in (
        ("void", (), "void"),
        ("write-off", (), "uncollectible"),
        ("record-payment", ("BANK 1",), "paid"),
    ):
        draft = drafted(cli, newcomer(None), "--collect", "send", "--net-days", "14")
        did(cli, "add-line", draft, "Workshop", "--amount", "700")
        sent = did(cli, "finalize", draft)
        assert (sent["status"], sent["due_at"] is None) == ("open", False)
        closed = did(cli, command, draft, *more, "--request-id", f"cli {command}")
        assert closed["status"] == status
    assert cli("invoices", "void", draft).err == (
        "invoice_paid: the invoice is paid: issue a credit note for it instead\n"
    )


def test_a_declined_one_is_paid_with_another_card(cli: Cli, newcomer: Newcomer) -> None:
    customer = newcomer("pm_card_chargeDeclined")
    draft = drafted(cli, customer)
    did(cli, "add-line", draft, "Workshop", "--amount", "700")
    assert did(cli, "finalize", draft)["status"] == "open"
    card = cli("customers", "add-card", customer, "pm_card_visa", "--json").json["id"]
    assert did(cli, "pay", draft, "--payment-method", card)["status"] == "paid"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add-line", "inv_none", "x", "--amount", "5"), "not_found: "),
        (("add-line", "inv_none", "x"), "a line has either a unit_price or an amount"),
        (("add-line", "inv_none", "x", "--unit-price", "much"), "'much' is no number"),
        (("add-line", "inv_none", "x", "--amount", "5", "--start", "2027-01-01"), "--start goes with --to"),
        (("credit", "inv_none", "--line", "x"), "'x' is no line"),
        (("finalize", "inv_none"), "not_found: "),
        (("void", "inv_none"), "not_found: "),
        (("delete", "inv_none"), "not_found: "),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    said = cli("invoices", *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_a_draft_is_thrown_away(cli: Cli, newcomer: Newcomer) -> None:
    draft = drafted(cli, newcomer())
    assert cli("invoices", "finalize", draft).err == "draft_empty: the draft has no line\n"
    assert cli("invoices", "delete", draft).out == f"{draft}: deleted\n"
    assert cli("invoices", "show", draft).code == 2
