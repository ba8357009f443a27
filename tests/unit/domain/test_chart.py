"""Every account that a posting can move is in the chart."""

import pytest

from perennial.domain import chart, ledger
from perennial.domain.chart import AccountKind
from perennial.domain.errors import NotFound

NAMES = (
    ledger.RECEIVABLE,
    ledger.REVENUE,
    ledger.DEFERRED_REVENUE,
    ledger.REFUNDS_PAYABLE,
    ledger.BAD_DEBT,
    ledger.PROMOTIONAL_CREDIT,
    ledger.BREAKAGE,
    ledger.ROUNDING,
    ledger.DISPUTE_LOSSES,
    ledger.cash("simulator"),
    ledger.disputed("simulator"),
    "fees:stripe",
    ledger.customer_credit("cus_1"),
    ledger.tax_payable("DE"),
)


def test_every_name_of_the_ledger_has_an_account() -> None:
    known = {value for name, value in vars(ledger).items() if name.isupper() and isinstance(value, str)}
    assert known <= set(NAMES)
    groups = [chart.account(name).group for name in NAMES]
    assert sorted(groups) == sorted(chart.GROUPS)
    assert min(NAMES, key=chart.place) == "cash:simulator"


def test_members_have_parents() -> None:
    german = chart.account("tax_payable:DE")
    assert (german.kind, german.title, german.parent) == (AccountKind.LIABILITY, "Tax payable, DE", "tax_payable")
    assert chart.account("revenue").parent is None
    assert [kind for kind in AccountKind if kind.is_debit] == [AccountKind.ASSET, AccountKind.EXPENSE]


def test_a_part_may_have_colons() -> None:
    assert chart.account("cash:a:b").member == "a:b"


@pytest.mark.parametrize("name", ["profit", "cash", "cash:", "revenue:x", ""])
def test_what_is_not_in_the_chart_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        chart.account(name)
