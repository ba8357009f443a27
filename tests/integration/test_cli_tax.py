"""The seller, tax rates, customers and their taxes through the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from perennial.stack import Stack
from tests.integration.conftest import Cli


@pytest.fixture(autouse=True)
def nobody_sells(live_stack: Stack) -> Iterator[None]:
    """Other tests of this stack are billed without tax."""
    yield
    engine = create_engine(live_stack.database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sellers"))
        connection.execute(text("DELETE FROM tax_rates"))
    engine.dispose()


TEA = ("--name", "Quantum Tea", "--country", "DE", "--vat-number", "DE 136 695 976", "--timezone", "Europe/Berlin")


def test_the_seller_is_set_step_by_step(cli: Cli, tmp_path: Path) -> None:
    assert cli("seller", "show").code == 2
    assert "give --name" in cli("seller", "set", "--city", "Hamburg").err
    assert cli("seller", "set", *TEA, "--registration", "DE=DE136695976", "--registration", "EU").code == 0

    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    said = cli("seller", "set", "--city", "Hamburg", "--logo", str(logo), "--numbers-by-year", "--json").json
    assert (said["name"], said["city"], said["vat_number"]) == ("Quantum Tea", "Hamburg", "DE136695976")
    assert (said["numbers_by_year"], said["logo"]) == (True, "image/svg+xml, 41 bytes")
    assert [each["country"] for each in said["registrations"]] == ["DE", "EU"]

    shown = cli("seller", "show").out
    for words in ("Quantum Tea", "Hamburg", "DE (DE136695976), EU", "image/svg+xml"):
        assert words in shown
    cleared = cli("seller", "set", "--city", "", "--registration", "none", "--json").json
    assert (cleared["city"], cleared["registrations"], cleared["name"]) == (None, [], "Quantum Tea")
    assert "none: no tax" in cli("seller", "show").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--iban", "DE00"), "iban"),
        (("--invoice-prefix", "inv"), "invoice_prefix"),
        (("--registration", "Germany"), "write CA or CA-BC"),
        (("--registration", "US-NY"), "no tax rate is known for US-NY"),
        ((), "nothing to change"),
    ],
)
def test_what_cannot_be_right_changes_nothing(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    assert cli("seller", "set", *TEA).code == 0
    before = cli("seller", "show", "--json").json
    said = cli("seller", "set", *arguments)
    assert (said.code, words in said.err) == (2, True), said.err
    assert cli("seller", "show", "--json").json == before


def test_own_rates_begin_end_and_come_first(cli: Cli) -> None:
    made = cli("tax", "add-rate", "US-NY", "8.875", "--name", "Sales tax", "--since", "2026-01-01", "--json").json
    assert (made["country"], made["region"], made["percent"]) == ("US", "NY", "8.875")
    assert cli("tax", "add-rate", "US-NY", "9", "--name", "Sales tax", "--since", "2027-01-01").code == 1
    ended = cli("tax", "end-rate", made["source"], "2027-01-01")
    assert "US-NY Sales tax 8.875 %, 2026-01-01 to 2027-01-01" in ended.out

    in_force = cli("tax", "rates", "--country", "us", "--on", "2026-12-31", "--json").json["data"]
    assert [(rate["region"], rate["percent"]) for rate in in_force] == [("NY", "8.875000")]
    assert cli("tax", "rates", "--country", "US", "--on", "2027-01-01", "--json").json["data"] == []
    estonia = cli("tax", "rates", "--country", "EE", "--on", "2025-06-30").out
    for words in ("EE", "22 %", "2024-01-01", "2025-07-01", "https://"):
        assert words in estonia
    assert "write 2027-01-01" in cli("tax", "rates", "--on", "soon").err


def test_what_a_sale_would_bear_and_why(cli: Cli) -> None:
    cli("seller", "set", *TEA, "--registration", "DE", "--registration", "EU")
    person = ("--name", "Ada", "--email", "ada@example.com", "--json")
    consumer = cli("customers", "create", *person, "--country", "FR").json["customer"]
    said = cli("tax", "what", consumer["id"])
    assert "a consumer in the Union: the rate of FR" in said.out
    assert "20 %" in said.out

    changed = cli("customers", "update", consumer["id"], "--vat-number", "40 303 265 045", "--company", "Radium").out
    assert "FR40303265045" in changed
    what = cli("tax", "what", consumer["id"], "--json").json
    assert [(tax["category"], tax["percent"]) for tax in what["taxes"]] == [("AE", "0")]
    assert "reverse charge" in what["why"]
    assert "no customer 'cus_none'" in cli("tax", "what", "cus_none").err

    cli("seller", "set", "--registration", "none")
    assert "no tax" in cli("tax", "what", consumer["id"]).out


def test_customers_are_made_and_changed_with_all_they_have(cli: Cli) -> None:
    made = cli(
        *("customers", "create", "--name", "Marie", "--email", "marie@example.com", "--locale", "fr-FR"),
        *("--company", "Radium SARL", "--address-line1", "12 rue Cuvier", "--postal-code", "75005", "--city", "Paris"),
        *("--country", "FR", "--net-days", "30", "--evidence", "ip=FR", "--json"),
    ).json["customer"]
    assert (made["locale"], made["net_days"], made["country"]) == ("fr-FR", 30, "FR")
    shown = cli("customers", "show", made["id"]).out
    for words in ("Radium SARL", "12 rue Cuvier, 75005 Paris, FR", "invoices, within 30 days", "fr-FR"):
        assert words in shown

    changed = cli("customers", "update", made["id"], "--charge-at-once", "--company", "", "--tax-exempt", "--json").json
    assert (changed["net_days"], changed["company"], changed["tax_exempt"]) == (None, None, True)
    assert "exempt" in cli("customers", "show", made["id"]).out
    for arguments, words in (
        (("--country", "XX"), "country"),
        (("--email", "marie"), "is no address"),
        (("--evidence", "guess=FR"), "write ip=US"),
        ((), "nothing to change"),
    ):
        said = cli("customers", "update", made["id"], *arguments)
        assert (said.code, words in said.err) == (2, True), said.err
