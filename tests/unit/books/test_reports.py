"""Reports of the books over documents of known sums."""

from typing import Any

from sqlalchemy import text

from perennial.checks import books, revenue
from perennial.checks.result import EVERYTHING
from perennial.domain.subscription.effects import LineKind
from perennial.domain.tax import TaxCategory, TaxRate
from perennial.reports.registry import find
from tests.support.ledgers import VAT, Office, line

CITY = TaxRate("US-NY", "City", VAT.percent / 10, TaxCategory.STANDARD)
REVERSE = TaxRate("FR", "TVA", VAT.percent * 0, TaxCategory.REVERSE_CHARGE, "Reverse charge")


def run(office: Office, name: str, **given: str) -> list[dict[str, Any]]:
    report = find(name)
    rows = report.run(office.session, report.parse(given))
    assert all(set(row) == {column.name for column in report.columns} for row in rows)
    return rows


def checks_hold(office: Office) -> bool:
    looks = (revenue.tax_payable_equals_documents, revenue.deferred_equals_schedule, books.invoices_add_up)
    findings = [each for look in looks for each in look(office.session, None, EVERYTHING).findings]  # type: ignore[arg-type]
    return findings == []


def test_tax_by_rate_and_month(office: Office) -> None:
    office.rates = (VAT, CITY)
    key = office.issue("2027-01-10", line(10_000, "2027-01-10", "2027-02-10"), line(5, "2027-01-10", "2027-02-10"))
    office.rates = (REVERSE,)
    office.issue("2027-01-11", line(700, "2027-01-11", "2027-02-11"))
    office.credit("2027-02-02", key, 4_000, ((0, 4_000),))
    rows = {(row["month"], row["jurisdiction"]): row for row in run(office, "tax")}
    assert rows["2027-01", "DE"] == {
        "month": "2027-01",
        "currency": "EUR",
        "jurisdiction": "DE",
        "name": "USt",
        "percent": "20",
        "category": "S",
        "base": 10_005,
        "collected": 2_001,
        "credited_base": 0,
        "credited": 0,
        "payable": 2_001,
    }
    assert (rows["2027-01", "US-NY"]["percent"], rows["2027-01", "US-NY"]["collected"]) == ("2", 200)
    nothing = rows["2027-01", "FR"]
    assert (nothing["category"], nothing["base"], nothing["collected"]) == ("AE", 700, 0)
    february = rows["2027-02", "DE"]
    assert (february["base"], february["credited_base"], february["credited"]) == (0, 4_000, 800)
    balances = office.balances()
    for place in ("DE", "US-NY"):
        payable = sum(row["payable"] for row in run(office, "tax") if row["jurisdiction"] == place)
        assert balances[f"tax_payable:{place}"] == -payable
    assert [row["month"] for row in run(office, "tax", as_of="2027-01-10T00:00:00Z")] == ["2027-01", "2027-01"]
    assert run(office, "tax", currency="USD") == []
    assert checks_hold(office)


def test_a_void_gives_its_tax_back_in_its_month(office: Office) -> None:
    office.rates = (VAT,)
    key = office.issue("2027-01-10", line(1_000, "2027-01-10", "2027-02-10"), paid=False)
    office.give_up("2027-03-01", key, "void")
    january, march = run(office, "tax")
    assert (january["payable"], march["credited_base"], march["payable"]) == (200, 1_000, -200)
    assert run(office, "trial-balance") == []
    assert checks_hold(office)


def test_an_upgrade_and_its_taxes_hold_all_checks(office: Office) -> None:
    office.rates = (VAT, CITY)
    old = office.issue("2027-04-01", line(3_333, "2027-04-01", "2027-05-01"))
    office.issue(
        "2027-04-16",
        line(-1_667, "2027-04-16", "2027-05-01", LineKind.PRORATION_CREDIT, corrects=(old,)),
        line(4_500, "2027-04-16", "2027-05-01", LineKind.PRORATION_DEBIT),
    )
    office.recognise("2027-04")
    assert checks_hold(office)
    office.session.execute(
        text("INSERT INTO ledger_transactions (key, kind, subject_id, at) VALUES ('x', 'x', 'x', now())")
    )
    office.session.execute(
        text(
            "INSERT INTO ledger_entries SELECT id, 0, 'tax_payable:DE', 'EUR', 1 FROM ledger_transactions "
            "WHERE key = 'x'"
        )
    )
    assert not checks_hold(office)


def test_receivables_by_age(office: Office) -> None:
    """One due date for each column, on 1 June; a charged invoice is due when it is issued."""
    service = ("2027-01-01", "2027-02-01")
    for at, due, amount in (
        ("2027-05-20", "2027-06-20", 1),
        ("2027-05-01", "2027-06-01", 10),
        ("2027-05-01", "2027-05-31", 100),
        ("2027-04-01", "2027-05-02", 1_000),
        ("2027-04-01", "2027-05-01", 10_000),
        ("2027-04-01", "2027-04-02", 100_000),
        ("2027-03-01", "2027-04-01", 1_000_000),
        ("2027-03-01", "2027-03-03", 10_000_000),
        ("2027-03-02", None, 100_000_000),
    ):
        office.issue(at, line(amount, *service), paid=False, due=due)
    paid = office.issue("2027-05-01", line(5, *service), paid=False)
    office.pay(paid, "2027-06-02")
    [row] = run(office, "receivables-aging", as_of="2027-06-01T12:00:00Z")
    assert row == {
        "customer": office.name,
        "currency": "EUR",
        "invoices": 10,
        "current": 11,
        "days_1_30": 1_100,
        "days_31_60": 110_005,
        "days_61_90": 11_000_000,
        "days_over_90": 100_000_000,
        "total": 111_111_116,
    }
    [later] = run(office, "receivables-aging", as_of="2027-06-02T00:00:00Z")
    assert later["total"] == 111_111_111 == office.balances()["receivable"]
    assert run(office, "receivables-aging", as_of="2027-02-01T00:00:00Z") == []
    assert [row["total"] for row in run(office, "receivables-aging")] == [111_111_111]


def test_deferred_revenue_rolls_forward(office: Office) -> None:
    key = office.issue("2027-01-01", line(9_000, "2027-01-01", "2027-04-01"))
    office.credit("2027-03-01", key, 1_000)
    office.recognise("2027-02")
    amounts = ("opening", "added", "taken_back", "recognised", "closing")
    assert [tuple(row[name] for name in amounts) for row in run(office, "deferred-revenue")] == [
        (0, 9_000, 0, 3_100, 5_900),
        (5_900, 0, 0, 2_800, 3_100),
        (3_100, 0, 1_000, 0, 2_100),
    ]
    assert run(office, "deferred-revenue", as_of="2027-02-15T00:00:00Z")[-1]["closing"] == 5_900


def test_the_trial_balance_tells_accounts_in_order(office: Office) -> None:
    office.rates = (VAT,)
    key = office.issue("2027-01-01", line(9_000, "2027-01-01", "2027-04-01"))
    office.credit("2027-01-01", key, 100)
    office.recognise("2027-01")
    rows = run(office, "trial-balance", as_of="2027-01-31T23:59:59.999999Z", currency="eur")
    assert [(row["account"].replace(office.name, "us"), row["kind"], row["debit"], row["credit"]) for row in rows] == [
        ("cash:simulator", "asset", 10_800, 0),
        ("deferred_revenue", "liability", 0, 5_834),
        ("tax_payable:DE", "liability", 0, 1_780),
        ("credit:us", "liability", 0, 120),
        ("revenue", "income", 0, 3_066),
    ]
