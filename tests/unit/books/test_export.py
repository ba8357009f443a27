"""The ledger as a file: whatever stands in it, the file is one that beancount reads."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from perennial.books.accounts import beancount_names
from perennial.books.formats import LedgerFormat
from perennial.db.repositories import ledger
from perennial.domain.errors import NotFound
from perennial.domain.ledger import Entry, Posting
from tests.support.ledgers import Office, day, line

NASTY = 'a "quoted\\" word\n2027-01-01 open Assets:Stolen\n\té; {#tag} ^link'


def bean_check(folder: Path, office: Office) -> tuple[str, str]:
    """The file, and what `bean-check` says of it: nothing when it is content."""
    file = folder / "ledger.beancount"
    file.write_text("".join(f"{each}\n" for each in LedgerFormat.BEANCOUNT.write(office.session, None)))
    program = Path(sys.executable).with_name("bean-check")
    done = subprocess.run([program, "--no-cache", file], capture_output=True, text=True, timeout=60, check=False)
    return file.read_text(), done.stdout + done.stderr


def test_texts_are_quoted_and_currencies_have_their_digits(office: Office, tmp_path: Path) -> None:
    for currency in ("JPY", "EUR", "KWD"):
        office.issue("2027-01-01", line(1005, "2027-01-01", "2027-02-01"), currency=currency)
    entries = (Entry("fees:my gateway/2", 7), Entry("tax_payable:CA-BC", -7))
    ledger.post(office.session, Posting(NASTY, NASTY, NASTY, "EUR", entries), day("2027-01-05"))
    office.recognise("2027-01")
    text, said = bean_check(tmp_path, office)
    assert said == ""
    assert "Expenses:Fees:My-gateway-2  0.07 EUR" in text
    assert "Liabilities:TaxPayable:CA-BC  -0.07 EUR" in text
    assert "Assets:Cash:Simulator  1005 JPY" in text
    assert "Assets:Cash:Simulator  10.05 EUR" in text
    assert "Assets:Cash:Simulator  1.005 KWD" in text
    assert "\n2027-01-01 open Assets:Stolen" not in text
    rows = list(csv.DictReader("\n".join(LedgerFormat.CSV.write(office.session, None)).splitlines(keepends=True)))
    assert [row["key"] for row in rows if row["account"] == "fees:my gateway/2"] == [NASTY]
    told = json.loads("\n".join(LedgerFormat.JSON.write(office.session, None)))
    assert NASTY in {each["kind"] for each in told}


def test_dates_are_those_of_the_seller(office: Office, tmp_path: Path) -> None:
    office.seller("Asia/Tokyo")
    office.issue("2027-01-31 20:00", line(3100, "2027-01-31 20:00", "2027-02-28 20:00"))
    office.recognise("2027-02")
    text, said = bean_check(tmp_path, office)
    assert said == ""
    assert '2027-02-01 * "invoice_issued"' in text
    assert '2027-02-28 * "revenue_recognised" "2027-02"' in text
    assert "2027-03-01 balance Income:Revenue  -31.00 ~ 0 EUR" in text


def test_each_account_has_a_name_of_its_own() -> None:
    names = beancount_names(["credit:cus_a", "credit:cus-a", "credit:Cus_a", "cash:_x", "revenue"])
    assert names == {
        "cash:_x": "Assets:Cash:X-x",
        "credit:Cus_a": "Liabilities:Credit:Cus-a",
        "credit:cus-a": "Liabilities:Credit:Cus-a-2",
        "credit:cus_a": "Liabilities:Credit:Cus-a-3",
        "revenue": "Income:Revenue",
    }


@pytest.mark.parametrize("name", ["profit", "cash", "cash:", "revenue:x", ""])
def test_the_chart_has_no_other_accounts(name: str) -> None:
    with pytest.raises(NotFound):
        beancount_names([name])
